/// Quantities: numbers that carry their dimension in their type.
///
/// A Quantity<S, B, F, J> is a double in base units with the dimension second^S byte^B FLOP^F
/// joule^J. Adding bytes to seconds does not compile; dividing Bytes by BytesPerSecond gives
/// Seconds; dividing like by like gives a plain double. It costs what the double inside costs.
///
/// Base units: second, byte, FLOP, joule. `FromBase` and `base()` are the only doors to bare
/// numbers: use them in base/units_text, at file and wire boundaries and in solvers' inner loops,
/// nowhere else.
#pragma once

#include <compare>

namespace ridgeline {

template <int S, int B, int F, int J>
class Quantity {
 public:
  constexpr Quantity() = default;

  static constexpr Quantity FromBase(double value) { return Quantity(value); }
  constexpr double base() const { return value_; }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value_ + b.value_);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value_ - b.value_);
  }
  friend constexpr Quantity operator-(Quantity a) { return Quantity(-a.value_); }
  friend constexpr Quantity operator*(Quantity a, double k) { return Quantity(a.value_ * k); }
  friend constexpr Quantity operator*(double k, Quantity a) { return Quantity(k * a.value_); }
  friend constexpr Quantity operator/(Quantity a, double k) { return Quantity(a.value_ / k); }
  constexpr Quantity& operator+=(Quantity b) {
    value_ += b.value_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity b) {
    value_ -= b.value_;
    return *this;
  }

 private:
  explicit constexpr Quantity(double value) : value_(value) {}
  double value_ = 0.0;
};

namespace internal {
template <int S, int B, int F, int J>
struct QuotientType {
  using type = Quantity<S, B, F, J>;
  static constexpr type Make(double value) { return type::FromBase(value); }
};
template <>
struct QuotientType<0, 0, 0, 0> {
  using type = double;
  static constexpr type Make(double value) { return value; }
};
}  // namespace internal

/// Dimensions multiply; a dimensionless product is a plain double.
template <int S1, int B1, int F1, int J1, int S2, int B2, int F2, int J2>
constexpr auto operator*(Quantity<S1, B1, F1, J1> a, Quantity<S2, B2, F2, J2> b) {
  return internal::QuotientType<S1 + S2, B1 + B2, F1 + F2, J1 + J2>::Make(a.base() * b.base());
}

/// Bytes / BytesPerSecond is Seconds; Bytes / Bytes is a plain double.
template <int S1, int B1, int F1, int J1, int S2, int B2, int F2, int J2>
constexpr auto operator/(Quantity<S1, B1, F1, J1> a, Quantity<S2, B2, F2, J2> b) {
  return internal::QuotientType<S1 - S2, B1 - B2, F1 - F2, J1 - J2>::Make(a.base() / b.base());
}

using Seconds = Quantity<1, 0, 0, 0>;
using Bytes = Quantity<0, 1, 0, 0>;
using Flops = Quantity<0, 0, 1, 0>;
using Joules = Quantity<0, 0, 0, 1>;
using Hertz = Quantity<-1, 0, 0, 0>;
using BytesPerSecond = Quantity<-1, 1, 0, 0>;
using FlopsPerSecond = Quantity<-1, 0, 1, 0>;
using FlopsPerByte = Quantity<0, -1, 1, 0>;
using Watts = Quantity<-1, 0, 0, 1>;

// Divided, not multiplied by 1e-6: 20 / 1e6 is the double that "20 us" reads as.
constexpr Seconds Microseconds(double value) { return Seconds::FromBase(value / 1e6); }
constexpr Bytes Gigabytes(double value) { return Bytes::FromBase(value * 1e9); }
constexpr Bytes Gibibytes(double value) { return Bytes::FromBase(value * 1073741824.0); }
constexpr BytesPerSecond GigabytesPerSecond(double value) {
  return BytesPerSecond::FromBase(value * 1e9);
}
constexpr FlopsPerSecond TeraflopsPerSecond(double value) {
  return FlopsPerSecond::FromBase(value * 1e12);
}

/// United States dollars. Not a Quantity on purpose: money divides by hours and tokens in ways
/// physics does not.
struct UsDollars {
  double amount = 0.0;
  friend constexpr auto operator<=>(UsDollars, UsDollars) = default;
};

}  // namespace ridgeline
