// Any text either reads as a finite quantity that is written back to the same value, or is refused
// with a message.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/units_text.h"

namespace {

template <class Q>
void Check(std::string_view text) {
  const auto value = ridgeline::ParseQuantity<Q>(text);
  if (!value) {
    if (value.error().message.empty()) {
      std::abort();
    }
    return;
  }
  const auto again = ridgeline::ParseQuantity<Q>(ridgeline::FormatExact(*value));
  if (!std::isfinite(value->base()) || !again || *again != *value) {
    std::abort();
  }
  const auto shown = ridgeline::ParseQuantity<Q>(ridgeline::Format(*value));
  // Three digits are shown. The smallest doubles have fewer than that to give.
  constexpr double kSmallest = 1e-290;
  if (std::abs(value->base()) > kSmallest && std::abs(value->base()) < 1e290 &&
      (!shown || std::abs(shown->base() - value->base()) > 0.00501 * std::abs(value->base()))) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ridgeline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Check<Seconds>(text);
  Check<Bytes>(text);
  Check<Flops>(text);
  Check<Joules>(text);
  Check<Watts>(text);
  Check<Hertz>(text);
  Check<BytesPerSecond>(text);
  Check<FlopsPerSecond>(text);
  Check<FlopsPerByte>(text);
  (void)ParseUsDollars(text);
  (void)ParseRatio(text);
  const auto number = ParseNumber(text);
  const auto integer = ParseInteger(text);
  if ((number && !std::isfinite(*number)) || (integer && !number)) {
    std::abort();
  }
  return 0;
}
