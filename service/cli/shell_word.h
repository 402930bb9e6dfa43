/// Command lines that can be pasted back into a shell.
#pragma once

#include <string>

namespace ridgeline::cli {

/// `word` as a POSIX shell needs it written: quoted only where it must be.
std::string ShellWord(const std::string& word);

}  // namespace ridgeline::cli
