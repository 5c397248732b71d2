#include "data/decoder.h"

#include "core/log.h"
#include "core/text.h"
#include "core/threads.h"
#include "data/cache_folder.h"
#include "data/decode.h"
#include "data/kept.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

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

void write_file(Decoder& decoder, const Kept& before, const fs::path& path,
                const PictureFileKey& key) {
  PictureFileWriter writer(path, key);
  parallel_for(key.count, 0, [&](int64_t i) {
    if (before.good(i)) {
      writer.put(i, before.file()->record(i), before.file()->pixels(i));
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
  faults_[static_cast<size_t>(i)].clear();  // of an earlier try
  try {
    sources_.read(i, [&](std::span<const std::byte> content) {
      record.content = xxh3_128(content);
      record.state = PictureRecord::kBad;  // until it is decoded
      const bool resized =
          preparer_.prepare(decode_picture(content, path), path, out);
      record.state =
          resized ? PictureRecord::kResized : PictureRecord::kAsItWas;
    });
    record.pixels = xxh3_128(std::as_bytes(out));
  } catch (const Error& error) {
    std::string_view reason = error.what();
    if (reason.starts_with(path)) reason.remove_prefix(path.size());
    record.pixels = write_reason(reason, out);
    set_fault(i, reason);
  }
  progress_.add(1);
  return record;
}

void Decoder::set_fault(int64_t i, std::string_view reason) {
  faults_[static_cast<size_t>(i)] = sources_.path(i) + std::string(reason);
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
  std::optional<PictureFile> file = kept->file();
  if (decode) {
    const CacheLock lock(path);
    if (lock.waited()) kept.emplace(look());
    file = kept->file();
    if (!kept->all()) {
      make_room(cache, picture_file_size(key), path);
      write_file(decoder, *kept, path, key);
      file = PictureFile::open(path, key);
    }
  }
  if (!file) throw Error(path.string() + ": is gone already");
  note_use(path);
  tell(cache, title, decode, picture_file_size(key));
  Decoded made{.kept = file};
  for (int64_t i = 0; i < key.count; ++i) {
    made.records.push_back(file->record(i));
    if (kept->good(i) && !made.records.back().decoded()) {
      decoder.set_fault(i, file->reason(i));
    }
  }
  return made;
}

}  // namespace soup
