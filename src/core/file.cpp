#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/interrupt.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_errno(const fs::path& path, const std::string& what) {
  const int code = errno;
  throw Error(path.string() + ": " + what + ": " + std::strerror(code));
}

}  // namespace

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void sync_folder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;  // the name is there; the sync is best effort
  fsync(fd);
  close(fd);
}

void check_writable(const fs::path& path, bool force) {
  if (!force && fs::exists(fs::symlink_status(path))) {
    throw Error(path.string() + ": exists already; --force replaces it");
  }
  const fs::path folder = folder_of(path);
  if (!fs::is_directory(folder)) {
    throw Error(path.string() + ": the folder " + folder.string() +
                " does not exist");
  }
  if (fs::is_directory(path)) {
    throw Error(path.string() + ": is a folder, expected the name of a file");
  }
  if (fs::is_other(path)) {  // to replace /dev/null would be a loss to all
    throw Error(path.string() +
                ": is a device, a pipe or a socket, expected the name of a "
                "file");
  }
  if (access(folder.c_str(), W_OK) != 0) {
    throw_errno(path, "cannot write to its folder");
  }
}

AtomicFile::AtomicFile(fs::path path, bool force)
    : path_(std::move(path)), force_(force) {
  check_writable(path_, force);
  std::string name =
      (folder_of(path_) / ("." + path_.filename().string() + ".XXXXXX"))
          .string();
  // Blocked until the name is registered: an interrupt in between would leave
  // the file behind.
  const InterruptBlock block;
  fd_ = mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) throw_errno(path_, "cannot write");
  temporary_ = name;
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd_, 0666 & ~mask);
  remove_on_interrupt(temporary_);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
    forget_on_interrupt(temporary_);
  }
}

void AtomicFile::reserve(int64_t size) {
  if (size == 0) return;
  int result = 0;
  do {
    result = fallocate(fd_, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  if (errno == EOPNOTSUPP || errno == ENOSYS) return;  // found when writing
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
    const int code = errno;
    throw Error(path_.string() + ": needs " + bytes_text(size) + ": " +
                std::strerror(code));
  }
  throw_errno(path_, "cannot write");
}

void AtomicFile::write_at(int64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = pwrite(fd_, data.data(), data.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(path_, "cannot write");
    offset += n;
    data = data.subspan(static_cast<size_t>(n));
  }
}

void AtomicFile::commit() {
  if (fsync(fd_) != 0) throw_errno(path_, "cannot write");
  if (close(std::exchange(fd_, -1)) != 0) throw_errno(path_, "cannot write");
  const InterruptBlock block;
  // link() refuses an existing name, rename() does not: without --force nothing
  // that came into being meanwhile is lost.
  if (force_) {
    if (rename(temporary_.c_str(), path_.c_str()) != 0) {
      throw_errno(path_, "cannot write");
    }
  } else if (link(temporary_.c_str(), path_.c_str()) == 0) {
    unlink(temporary_.c_str());
  } else if (errno == EEXIST) {
    throw Error(path_.string() + ": exists already; --force replaces it");
  } else if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw_errno(path_, "cannot write");  // a file system without hard links
  }
  forget_on_interrupt(temporary_);
  temporary_.clear();
  sync_folder(folder_of(path_));
}

void write_text(const fs::path& path, std::string_view text, bool force) {
  AtomicFile file(path, force);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.commit();
}

std::string read_text(const fs::path& path, size_t limit) {
  const MappedFile file(path);
  if (file.bytes().size() > limit) {
    throw Error(path.string() + ": has " +
                bytes_text(static_cast<int64_t>(file.bytes().size())) +
                ", expected at most " +
                bytes_text(static_cast<int64_t>(limit)));
  }
  return {reinterpret_cast<const char*>(file.bytes().data()),
          file.bytes().size()};
}

std::string read_stdin(size_t limit) {
  std::string text;
  std::array<char, 65536> block{};
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("standard input", "cannot read");
    if (n == 0) return text;
    text.append(block.data(), static_cast<size_t>(n));
    if (text.size() > limit) {
      throw Error("standard input: more than " +
                  bytes_text(static_cast<int64_t>(limit)));
    }
  }
}

fs::path configs_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path share =
        program.parent_path().parent_path() / "share" / "soup";
    if (fs::is_directory(share / "datasets", error)) return share;
  }
  return SOUP_SOURCE_CONFIGS;
}

}  // namespace soup
