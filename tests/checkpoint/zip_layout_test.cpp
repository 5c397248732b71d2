#include "checkpoint/zip_layout.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "core/file.h"
#include "core/zip.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::TempFolder;

// Writes everything but the entries' bytes: a sparse file.
void save(const ZipLayout& layout, const std::filesystem::path& path) {
  AtomicFile file(path, false);
  for (size_t i = 0; i < layout.entries(); ++i) {
    file.write_at(layout.header_begin(i), as_bytes(layout.header(i)));
  }
  file.write_at(layout.directory_begin(), as_bytes(layout.directory()));
  file.commit();
}

void expect_readable(ZipLayout& layout, size_t entries) {
  layout.finish();
  const TempFolder folder;
  save(layout, folder / "x.zip");
  const MappedFile file(folder / "x.zip");
  EXPECT_EQ(static_cast<int64_t>(file.bytes().size()), layout.size());
  const ZipArchive archive(file.bytes(), "x.zip");
  ASSERT_EQ(archive.entries().size(), entries);
  for (size_t i = 0; i < layout.entries(); ++i) {
    const ZipEntry* entry = archive.find("n" + std::to_string(i));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(static_cast<int64_t>(entry->begin), layout.begin(i));
    EXPECT_EQ(static_cast<int64_t>(entry->size), layout.entry_size(i));
    EXPECT_EQ(entry->begin % 64, 0U);
  }
}

TEST(ZipLayout, PlacesSmallEntries) {
  ZipLayout layout;
  for (int64_t size : {0, 1, 63, 64, 65}) {
    layout.add("n" + std::to_string(layout.entries()), size);
  }
  expect_readable(layout, 5);
}

TEST(ZipLayout, PlacesEntriesBeyondFourGigabytes) {
  ZipLayout layout;
  layout.add("n0", 0xfffffffeLL);  // the last size without zip64
  layout.add("n1", 0xffffffffLL);
  layout.add("n2", 5LL << 30);
  layout.add("n3", 7);
  expect_readable(layout, 4);
}

TEST(ZipLayout, PlacesMoreEntriesThanFitInto16Bits) {
  ZipLayout layout;
  for (size_t i = 0; i < 70000; ++i) layout.add("n" + std::to_string(i), 0);
  expect_readable(layout, 70000);
}

}  // namespace
}  // namespace soup
