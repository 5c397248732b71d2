#include "data/decoder.h"

#include <algorithm>
#include <atomic>

#include "core/log.h"
#include "core/text.h"
#include "core/threads.h"
#include "data/cache_folder.h"
#include "data/decode.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

Hash128 hash_of(std::span<const uint8_t> pixels) {
  return xxh3_128(std::as_bytes(pixels));
}

PictureFileKey key_of(const Decoder& decoder, const std::string& preparation) {
  std::string text = preparation;
  const Sources& sources = decoder.sources();
  for (int64_t i = 0; i < sources.count(); ++i) {
    text += '\0';
    text += fs::absolute(sources.path(i)).string();
  }
  return {.hash = xxh3_128(std::as_bytes(std::span(text))),
          .count = sources.count(),
          .bytes_each = decoder.bytes_each()};
}

/// Which pictures of a file are still what it says.
class Check {
 public:
  Check(const PictureFile& kept, const Sources& sources)
      : kept_(kept),
        sources_(sources),
        good_(static_cast<size_t>(sources.count())) {
    parallel_for(sources.count(), 0, [&](int64_t i) {
      good_[static_cast<size_t>(i)] = is_good(i);
    });
  }

  bool good(int64_t i) const { return good_[static_cast<size_t>(i)] != 0; }
  bool all() const {
    return std::find(good_.begin(), good_.end(), 0) == good_.end();
  }

 private:
  char is_good(int64_t i) const {
    const PictureRecord record = kept_.record(i);
    const bool decoded = record.state == PictureRecord::kAsItWas ||
                         record.state == PictureRecord::kResized;
    return decoded && is_same(i, record) &&
           hash_of(kept_.pixels(i)) == record.pixels;
  }

  // By its stamp or, where that tells nothing, by its content.
  bool is_same(int64_t i, const PictureRecord& record) const {
    if (sources_.stamp(i) == record.stamp) return true;
    bool same = false;
    try {
      sources_.read(i, [&](std::span<const std::byte> content) {
        same = xxh3_128(content) == record.content;
      });
    } catch (const Error&) {  // gone: decoding says so
    }
    return same;
  }

  const PictureFile& kept_;
  const Sources& sources_;
  std::vector<char> good_;
};

/// What is kept of the pictures, as far as it is still good.
struct Kept {
  explicit Kept(std::optional<PictureFile> opened, const Sources& sources)
      : file(std::move(opened)) {
    if (file) check.emplace(*file, sources);
  }
  bool all() const { return check && check->all(); }
  bool good(int64_t i) const { return check && check->good(i); }

  std::optional<PictureFile> file;
  std::optional<Check> check;
};

void write_file(Decoder& decoder, const Kept& before, const fs::path& path,
                const PictureFileKey& key) {
  PictureFileWriter writer(path, key);
  parallel_for(key.count, 0, [&](int64_t i) {
    if (before.good(i)) {
      writer.put(i, before.file->record(i), before.file->pixels(i));
      decoder.pass_over();
      return;
    }
    thread_local std::vector<uint8_t> pixels;
    pixels.assign(static_cast<size_t>(key.bytes_each), 0);
    const PictureRecord record = decoder.decode(i, pixels);
    writer.put(i, record, pixels);
  });
  writer.commit();
}

void tell(const PictureCache& cache, const std::string& title, bool decoded,
          int64_t bytes) {
  const std::string where = cache.folder.string();
  log::info(decoded ? title + ": decoded pictures are kept in " + where + " (" +
                          bytes_text(bytes) + "; " +
                          bytes_text(cache_size(cache.folder)) +
                          " of at most " + bytes_text(cache.limit) + " there)"
                    : title + ": pictures as decoded before, from " + where +
                          " (" + bytes_text(bytes) + ")");
}

}  // namespace

PictureRecord Decoder::decode(int64_t i, std::span<uint8_t> out) {
  PictureRecord record;
  record.stamp = sources_.stamp(i).value_or(FileStamp{});
  const std::string& path = sources_.path(i);
  try {
    sources_.read(i, [&](std::span<const std::byte> content) {
      const bool resized =
          preparer_.prepare(decode_picture(content, path), path, out);
      record.content = xxh3_128(content);
      record.state =
          resized ? PictureRecord::kResized : PictureRecord::kAsItWas;
    });
    record.pixels = hash_of(out);
  } catch (const Error& error) {
    faults_[static_cast<size_t>(i)] = error.what();
  }
  progress_.add(1);
  return record;
}

Decoded decode_into_memory(Decoder& decoder) {
  const int64_t count = decoder.sources().count();
  const auto bytes = static_cast<size_t>(decoder.bytes_each());
  Decoded made;
  made.records.resize(static_cast<size_t>(count));
  made.pixels.resize(static_cast<size_t>(count) * bytes);
  parallel_for(count, 0, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    made.records[at] =
        decoder.decode(i, std::span(made.pixels).subspan(at * bytes, bytes));
  });
  return made;
}

Decoded decode_into_cache(Decoder& decoder, const PictureCache& cache,
                          const std::string& preparation,
                          const std::string& title) {
  make_cache_folder(cache.folder);
  const PictureFileKey key = key_of(decoder, preparation);
  const fs::path path = cache.folder / (hex(key.hash) + ".pictures");
  const auto look = [&] {
    return Kept(PictureFile::open(path, key), decoder.sources());
  };
  std::optional<Kept> kept(look());
  const bool decode = !kept->all();
  if (decode) {
    const CacheLock lock(path);
    if (lock.waited()) kept.emplace(look());
    if (!kept->all()) {
      make_room(cache, picture_file_size(key), path);
      write_file(decoder, *kept, path, key);
      kept->file = PictureFile::open(path, key);
    }
  }
  if (!kept->file) throw Error(path.string() + ": is gone already");
  note_use(path);
  tell(cache, title, decode, picture_file_size(key));
  Decoded made{.kept = kept->file};
  for (int64_t i = 0; i < key.count; ++i) {
    made.records.push_back(kept->file->record(i));
  }
  return made;
}

}  // namespace soup
