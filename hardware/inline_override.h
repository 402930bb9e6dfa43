/// Inline keys laid over a named base: `{base: h100-sxm, memory: {bandwidth: 4 TB/s}}`.
///
/// Works on documents, before decoding, so that every value keeps its place for messages. What the
/// user gives says so in `sources`: no figure keeps the source of the one it replaced.
#pragma once

#include <span>
#include <string_view>

#include "base/document.h"

namespace ridgeline::hardware {

/// The value at "memory.bandwidth" (keys only, no list indices); nullptr when there is none.
const ::ridgeline::Node* ValueAt(const ::ridgeline::Node& node, std::string_view path);

/// Removes the key at `path`, if it is there.
void EraseAt(::ridgeline::Node& node, std::string_view path);

/// `over` upon `base`. A key of `reference_keys` that is a plain name in the base and a map without
/// `base` in `over` becomes that map over that name: `{base: dgx-h100, gpu: {power: 500 W}}`
/// changes the power of the node's own GPU. Adds a source for every figure given in `over`.
::ridgeline::Node LayOver(::ridgeline::Node base, const ::ridgeline::Node& over,
                          std::span<const std::string_view> reference_keys = {});

}  // namespace ridgeline::hardware
