#include <algorithm>
#include <array>
#include <map>

#include "core/hash.h"
#include "core/progress.h"
#include "core/sha256.h"
#include "core/table.h"
#include "core/threads.h"
#include "data/array.h"
#include "data/decode.h"
#include "data/examples.h"
#include "data/inflate.h"
#include "data/selection.h"
#include "data/sources.h"
#include "soup/data.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

std::string sha256_of(const fs::path& file) {
  ByteReader reader(file);
  Sha256 sha;
  std::vector<std::byte> block(1 << 20);
  while (const size_t size = reader.read_some(block)) {
    sha.add(std::span(block).first(size));
  }
  return sha.finish();
}

// Of every file that is expected to have one, and of those that the spec names
// unless their pictures are looked at one by one.
std::vector<FileHash> hash_files(const DatasetSpec& spec, bool named) {
  std::map<fs::path, std::optional<std::string>> expected;
  if (named) {
    for (const fs::path& file : files_of(spec)) expected[array_file(file)];
  }
  for (const auto& [name, sha256] : spec.expect.sha256) {
    expected[spec.path / name] = sha256;
  }
  std::vector<FileHash> files;
  for (const auto& [path, sha256] : expected) {
    files.push_back({.path = path, .sha256 = {}, .expected = sha256});
  }
  parallel_for(std::ssize(files), 0, [&](int64_t i) {
    FileHash& file = files[static_cast<size_t>(i)];
    std::error_code absent;
    if (fs::exists(file.path, absent)) file.sha256 = sha256_of(file.path);
  });
  return files;
}

/// One picture of a listing as it was found.
struct Found {
  Hash128 content = {};
  std::string fault = {};
};

std::vector<Found> look_at(const Sources& sources, const std::string& title) {
  Progress progress("checking " + title, sources.count(), Unit::kExamples);
  std::vector<Found> all(static_cast<size_t>(sources.count()));
  parallel_for(sources.count(), 0, [&](int64_t i) {
    Found& found = all[static_cast<size_t>(i)];
    try {
      sources.read(i, [&](std::span<const std::byte> content) {
        found.content = xxh3_128(content);
        decode_picture(content, sources.path(i));
      });
    } catch (const Error& error) {
      found.fault = error.what();
    }
    progress.add(1);
  });
  return all;
}

void check_pictures(const DatasetSpec& spec, const Listing& listing,
                    DataCheck& check) {
  const std::vector<int64_t> chosen = select_examples(spec, listing);
  check.examples = std::ssize(chosen);
  if (listing.class_folders > 0) check.classes = listing.class_folders;
  const std::vector<Found> all = look_at(Sources(listing, chosen), spec.name);
  std::vector<Hash128> hashes;
  for (size_t i = 0; i < all.size(); ++i) {
    const Labels& labels = listing.labels[static_cast<size_t>(chosen[i])];
    hashes.push_back(all[i].content);
    hashes.push_back(xxh3_128(std::as_bytes(std::span(labels))));
    if (!all[i].fault.empty()) check.bad.push_back(all[i].fault);
  }
  check.content = content_of(hashes);
}

int64_t count_examples(const DatasetLoader& loader, const DatasetSpec& spec) {
  if (loader.read != nullptr) return loader.read(spec).count;
  Preprocess smallest = default_preprocess(1);
  smallest.filter = "box";
  const PictureShape pixel{.channels = 1, .height = 1, .width = 1};
  return loader.load(spec, pixel, smallest).count;
}

}  // namespace

DataCheck check_dataset(const DatasetSpec& spec) {
  const DatasetLoader& loader =
      find_row(dataset_loaders(), spec.loader, "loader");
  DataCheck check;
  if (loader.list != nullptr) {
    check_pictures(spec, loader.list(spec), check);
  } else {
    check.examples = count_examples(loader, spec);
  }
  check.files = hash_files(spec, loader.list == nullptr);
  return check;
}

}  // namespace soup
