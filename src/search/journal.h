#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace soup {

/// The journal of a run: JSON Lines that are only ever appended to, each with
/// a checksum and synced before the work goes on. Its last key, "check", is
/// the XXH3-128 of the line before `,"check"`, in hexadecimal.
///
/// A search is the same each time it is run, so going on is running it again
/// with the answers of the journal instead of work, as long as there are any.
class Journal {
 public:
  /// Opens or begins `folder`/journal.jsonl (`anew`: empties it). A last line
  /// without its end, which a killed run did not come to write, is dropped.
  /// Throws Error when another process is at work in `folder`, when it cannot
  /// be written, and for any other line that is not what was written.
  Journal(const std::filesystem::path& folder, bool anew);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The next record of an earlier run; nullopt when all were given.
  std::optional<nlohmann::ordered_json> replay();
  /// How many there are yet to give.
  int64_t left() const {
    return std::ssize(ends_) - static_cast<int64_t>(replayed_);
  }
  /// Adds a record. Throws Error (disk full, failing disk) that says how many
  /// records are kept: all before it.
  void append(const nlohmann::ordered_json& record);
  /// "run/journal.jsonl:12", the record that replay() gave last.
  std::string where() const;

 private:
  void open(bool anew);
  void check_lines();
  [[noreturn]] void drop_last(int code);

  std::filesystem::path path_;
  int fd_ = -1;
  std::string text_;          ///< of earlier runs
  std::vector<size_t> ends_;  ///< of its lines
  size_t replayed_ = 0;       ///< lines given
  int64_t appended_ = 0;      ///< lines added
  int64_t size_ = 0;          ///< bytes of the file
};

/// True where the journal in `folder`, which another process may be writing,
/// was begun with `first` and holds `count` records of a result.
bool holds_results(const std::filesystem::path& folder,
                   const nlohmann::ordered_json& first, int64_t count);

}  // namespace soup
