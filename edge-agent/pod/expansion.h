#pragma once

#include <map>
#include <string>

namespace slicelet::agent {

/// Replaces $(NAME) by its value as Kubernetes does (third_party/forked/golang/expansion): unknown references
/// stay as they are, and $$ yields $, so that $$(NAME) is the text $(NAME).
std::string Expand(const std::string& text, const std::map<std::string, std::string>& values);

}  // namespace slicelet::agent
