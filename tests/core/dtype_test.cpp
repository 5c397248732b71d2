#include "core/dtype.h"

#include <gtest/gtest.h>

#include <set>

namespace soup {
namespace {

TEST(DType, RowsStandAtTheirOwnIndex) {
  for (size_t i = 0; i < dtypes().size(); ++i) {
    EXPECT_EQ(static_cast<size_t>(dtypes()[i].dtype), i);
  }
}

TEST(DType, NamesAreUniqueAndFoundAgain) {
  std::set<std::string_view> names;
  for (const DTypeInfo& row : dtypes()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(dtype_from_name(row.name), row.dtype);
  }
  EXPECT_EQ(dtype_from_name("F33"), std::nullopt);
}

TEST(DType, SubByteTypesAreCarriedNotAveraged) {
  EXPECT_EQ(info(DType::kF6E2M3).kind, DTypeKind::kOpaque);
  EXPECT_EQ(bits(DType::kF4), 4);
  EXPECT_TRUE(is_float(DType::kBF16));
  EXPECT_FALSE(is_float(DType::kI64));
}

}  // namespace
}  // namespace soup
