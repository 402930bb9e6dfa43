#include "base/units.h"

#include <gtest/gtest.h>

namespace ridgeline {
namespace {

template <class A, class B>
concept CanAdd = requires(A a, B b) { a + b; };
template <class A, class B>
concept CanCompare = requires(A a, B b) { a < b; };
template <class A, class B>
concept CanAssign = requires(A& a, B b) { a = b; };

static_assert(CanAdd<Bytes, Bytes>);
static_assert(!CanAdd<Bytes, Seconds>, "bytes plus seconds must not compile");
static_assert(!CanAdd<Bytes, double>, "a bare number must not pass for a quantity");
static_assert(!CanCompare<BytesPerSecond, FlopsPerSecond>);
static_assert(!CanAssign<Seconds, double> && !CanAssign<double, Seconds>);
static_assert(std::is_same_v<decltype(Bytes{} / BytesPerSecond{}), Seconds>);
static_assert(std::is_same_v<decltype(Flops{} / Bytes{}), FlopsPerByte>);
static_assert(std::is_same_v<decltype(Watts{} * Seconds{}), Joules>);
static_assert(std::is_same_v<decltype(Bytes{} / Bytes{}), double>);
static_assert(sizeof(Seconds) == sizeof(double));

// 100 GB over 50 GB/s take 2 s.
TEST(UnitsTest, DividingBytesByBandwidthGivesSeconds) {
  EXPECT_DOUBLE_EQ((Gigabytes(100) / GigabytesPerSecond(50)).base(), 2.0);
}

TEST(UnitsTest, BinaryAndDecimalPrefixesDiffer) {
  EXPECT_EQ(Gibibytes(1).base(), 1073741824.0);
  EXPECT_EQ(Gigabytes(1).base(), 1e9);
}

}  // namespace
}  // namespace ridgeline
