#pragma once

namespace slicelet::kube {

/// The types of CheckShape, by name: their members' types, which are other names, "[T]" for a list of them,
/// "{T}" for an object whose members are all of them, and text, int, bool, quantity
/// (a text or a number), port (a text or an int) and any.
extern const char* const kShapes;

}  // namespace slicelet::kube
