#include <string>
#include <vector>

#include "service/cli/run_program.h"

int main(int argc, char** argv) {
  return ridgeline::cli::RunProgram(
      std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
