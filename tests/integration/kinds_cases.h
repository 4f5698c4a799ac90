#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "kube/kube_api.h"

namespace slicelet::kube {

/// A change of the least spec, and a part of the API server's refusal; an empty one means that it is taken.
struct KindCase {
  const Resource& kind;
  /// Merged into the spec: a member that is null is taken away.
  std::string change;
  std::string refusal;
};
inline void PrintTo(const KindCase& c, std::ostream* out) {
  *out << c.kind.kind << " " << c.change.substr(0, 200);
}

/// `count` copies of "x", quoted.
inline std::string Long(std::size_t count) { return "\"" + std::string(count, 'x') + "\""; }

/// Each field with a value of another type, with 10,000 characters, and with none.
std::vector<KindCase> WrongTypesAndSizes();
/// What a kind's own rules take and refuse.
std::vector<KindCase> Rules();
/// protocolProperties and attributes of protocol modbus.
std::vector<KindCase> ModbusRules();

}  // namespace slicelet::kube
