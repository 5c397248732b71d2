#include "search/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/file.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheck = R"(,"check":")";
constexpr std::string_view kEnd = "\"}";
constexpr size_t kDigits = 32;

[[noreturn]] void fail(const fs::path& path, const std::string& what,
                       int code) {
  throw Error(path.string() + ": " + what + ": " + std::strerror(code));
}

std::string checksum(std::string_view text) {
  return hex(xxh3_128(std::as_bytes(std::span(text))));
}

std::string signed_line(const nlohmann::ordered_json& record) {
  std::string line = record.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  line.pop_back();  // the closing brace
  const std::string check = checksum(line);
  line.append(kCheck).append(check).append(kEnd);
  return line + "\n";
}

// `line` is without its end of line.
bool is_whole(std::string_view line) {
  const size_t tail = kCheck.size() + kDigits + kEnd.size();
  if (line.size() <= tail || !line.ends_with(kEnd)) return false;
  const std::string_view body = line.substr(0, line.size() - tail);
  const std::string_view check = line.substr(body.size());
  return check.starts_with(kCheck) &&
         check.substr(kCheck.size(), kDigits) == checksum(body);
}

}  // namespace

Journal::Journal(const fs::path& folder, bool anew)
    : path_(folder / "journal.jsonl") {
  std::error_code error;
  const bool created = fs::create_directory(folder, error);
  if (error) fail(folder, "cannot be created", error.value());
  try {
    open(anew);
    sync_folder(folder);
    if (created) sync_folder(folder / "..");
  } catch (...) {
    if (fd_ >= 0) close(fd_);
    throw;
  }
}

Journal::~Journal() { close(fd_); }

void Journal::open(bool anew) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(path_, "cannot be written", errno);
  if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    throw Error(path_.string() +
                ": another run is at work on it; give this one another "
                "--run-dir");
  }
  if (anew && ftruncate(fd_, 0) != 0) fail(path_, "cannot be emptied", errno);
  text_ = read_text(path_, SIZE_MAX);
  check_lines();
  size_ = std::ssize(text_);
  if (ftruncate(fd_, size_) != 0) fail(path_, "cannot be written", errno);
}

void Journal::check_lines() {
  for (size_t begin = 0; begin < text_.size();) {
    const size_t end = text_.find('\n', begin);
    if (end == std::string::npos) {
      log::info(path_.string() +
                ": its last record was not written to its "
                "end; it is made again");
      text_.resize(begin);
      return;
    }
    if (!is_whole(std::string_view(text_).substr(begin, end - begin))) {
      const bool last = end + 1 == text_.size();
      throw Error(
          path_.string() + ":" + std::to_string(ends_.size() + 1) +
          ": is not what was written (its checksum differs); --fresh "
          "starts anew" +
          (last ? ", without this last line the run goes on before it" : ""));
    }
    ends_.push_back(end);
    begin = end + 1;
  }
}

std::string Journal::where() const {
  return path_.string() + ":" + std::to_string(replayed_);
}

std::optional<nlohmann::ordered_json> Journal::replay() {
  if (replayed_ == ends_.size()) return std::nullopt;
  const size_t begin = replayed_ == 0 ? 0 : ends_[replayed_ - 1] + 1;
  const size_t end = ends_[replayed_++];
  auto record =
      parse_json(std::string_view(text_).substr(begin, end - begin), where());
  if (!record.is_object()) throw Error(where() + ": is no record");
  return record;
}

void Journal::append(const nlohmann::ordered_json& record) {
  const std::string line = signed_line(record);
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t n = write(fd_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) drop_last(errno);
    left.remove_prefix(static_cast<size_t>(n));
  }
  if (fdatasync(fd_) != 0) drop_last(errno);
  size_ += std::ssize(line);
  ++appended_;
}

// Whether what was not synced is on the disk nobody knows: it goes, too.
void Journal::drop_last(int code) {
  if (ftruncate(fd_, size_) != 0) log::debug("half a record is left");
  const int64_t kept = std::ssize(ends_) + appended_;
  throw Error(path_.string() + ": cannot be written: " + std::strerror(code) +
              "; the search stops, " + std::to_string(kept) +
              (kept == 1 ? " record is kept" : " records are kept") +
              ": once that is mended the same command goes on from there");
}

bool holds_results(const fs::path& folder, const nlohmann::ordered_json& first,
                   int64_t count) {
  std::ifstream lines(folder / "journal.jsonl", std::ios::binary);
  std::string line;
  std::getline(lines, line);
  if (line + "\n" != signed_line(first)) return false;
  int64_t found = 0;
  while (std::getline(lines, line)) {
    found += line.starts_with(R"({"kind":"result",)") && is_whole(line) ? 1 : 0;
  }
  return found >= count;
}

}  // namespace soup
