#pragma once

#include <exception>
#include <functional>
#include <string>

#include "provider/controllers/world.h"

namespace slicelet::provider {

/// The last net below rules that look at what users have written: what is thrown there, mostly by the JSON
/// library at a member of another type than was thought, is said of this one object and goes no further. One
/// object must never take the hub with it. Returns whether nothing was thrown; `failed` is told what was.
bool Guarded(const std::string& what, const ObjectName& name, const std::function<void()>& look,
             const std::function<void(const std::string& why)>& failed = nullptr);

}  // namespace slicelet::provider
