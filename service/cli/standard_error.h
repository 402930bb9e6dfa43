/// Standard error: remarks and mistakes, for people.
#pragma once

#include <cstdio>
#include <string>

namespace ridgeline::cli {

/// Writes `text` as far as it can. A standard error that is full or closed is nobody's to tell, and
/// must not change the answer or its exit code; fmt::print would throw.
inline void Tell(const std::string& text) { std::fputs(text.c_str(), stderr); }

}  // namespace ridgeline::cli
