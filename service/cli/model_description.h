/// A model as `describe model` shows it: how many parameters and where, what it caches, and its
/// distinct layers.
#pragma once

#include "service/report/table.h"
#include "workloads/model.h"

namespace ridgeline::cli {

struct ModelDescription {
  report::Table facts;   // figure, value, exact
  report::Table layers;  // one row a kind of layer
};
ModelDescription DescribeModel(const workloads::Model& model);

}  // namespace ridgeline::cli
