#include "cli/kinds/help.h"

namespace slicelet::cli {

std::string ValueName(const Field& field) {
  switch (field.type) {
    case FieldType::kInteger:
    case FieldType::kNumber:
      return "NUMBER";
    case FieldType::kMap:
      return "NAME=VALUE";
    case FieldType::kResources:
      return "NAME[:TYPE[:UNITS[:INTERVAL]]][,KEY=VALUE...]";
    case FieldType::kFile:
      return "FILE";
    case FieldType::kText:
    case FieldType::kTexts:
    case FieldType::kBoolean:
      break;
  }
  return "TEXT";
}

std::string AboutField(const Field& field) {
  std::string about = field.about;
  std::string values;
  for (const std::string& value : field.values) values += (values.empty() ? "" : ", ") + value;
  if (!values.empty()) about += (about.empty() ? "" : " ") + std::string("One of ") + values + ".";
  if (field.type == FieldType::kTexts || field.type == FieldType::kMap ||
      field.type == FieldType::kResources) {
    about += " Repeatable.";
  }
  return about;
}

std::string ExampleOf(const Kind& kind, const std::string& verb) {
  const auto it = kind.examples.find(verb);
  if (it != kind.examples.end()) return it->second;
  const std::string command = "  slicectl " + kind.noun + " " + verb;
  const std::string in = kind.of_hub ? "" : " --slice north";
  if (verb == "list") return command + in + "\n" + command + " -A -o wide";
  if (verb == "get") return command + " NAME" + in + "\n" + command + " NAME" + in + " -o yaml";
  if (verb == "delete") return command + " NAME" + in + "\n" + command + " NAME" + in + " --wait=false";
  return command + " NAME" + in;
}

}  // namespace slicelet::cli
