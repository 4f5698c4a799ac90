#pragma once

#include "common/base/ids.h"
#include "slicelet/v1/manifest.pb.h"

namespace slicelet::provider {

inline Generation FromProto(const v1::Generation& generation) {
  return {generation.epoch(), generation.number()};
}

inline v1::Generation ToProto(const Generation& generation) {
  v1::Generation proto;
  proto.set_epoch(generation.epoch);
  proto.set_number(generation.number);
  return proto;
}

}  // namespace slicelet::provider
