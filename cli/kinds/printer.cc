#include "cli/kinds/printer.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "cli/table.h"
#include "common/json/json.h"
#include "common/json/yaml_writer.h"
#include "kube/object.h"

namespace slicelet::cli {
namespace {

std::string Indented(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string Cell(const Json& object, const Column& column, WallTime now) {
  const Json* value = AtColumnPath(object, column.path);
  if (value == nullptr || value->is_null()) return "";
  if (column.type == "date" && value->is_string()) return FormatAge(value->get<std::string>(), now);
  return value->is_string() ? value->get<std::string>() : value->dump();
}

std::vector<Row> Rows(const Kind& kind, const std::vector<Json>& objects, bool wide, bool namespaces,
                      WallTime now) {
  const auto& columns = SchemaOf(kind.resource).columns;
  std::vector<Row> rows(1);
  if (namespaces) rows[0].emplace_back("NAMESPACE");
  for (const Column& column : columns) {
    if (wide || !column.wide) rows[0].push_back(Upper(column.name));
  }
  for (const Json& object : objects) {
    Row row;
    if (namespaces) row.push_back(kube::NamespaceOf(object));
    for (const Column& column : columns) {
      if (wide || !column.wide) row.push_back(Cell(object, column, now));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string Details(const Json& object, WallTime now) {
  std::vector<Row> conditions{{"CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"}};
  for (const Json& one : GetArray(object, "/status/conditions")) {
    conditions.push_back({GetString(one, "/type"), GetString(one, "/status"), GetString(one, "/reason"),
                          FormatAge(GetString(one, "/lastTransitionTime"), now), GetString(one, "/message")});
  }
  std::vector<Row> steps{{"STEP", "STATE", "SINCE", "MESSAGE"}};
  for (const Json& one : GetArray(object, "/status/steps")) {
    steps.push_back({GetString(one, "/name"), GetString(one, "/state"),
                     FormatAge(GetString(one, "/time"), now), GetString(one, "/message")});
  }
  std::string text;
  if (conditions.size() > 1) text += "\n" + FormatTable(conditions);
  if (steps.size() > 1) text += "\n" + FormatTable(steps);
  return text;
}

/// Who wrote which field is for machines; kubectl leaves it out too.
Json Shown(Json object) {
  if (object.contains("metadata")) object["metadata"].erase("managedFields");
  return object;
}

std::string Structured(const Json& json, const std::string& format) {
  return format == "json" ? Indented(json) : DumpYaml(json);
}

}  // namespace

const std::vector<std::string> kFormats = {"table", "wide", "json", "yaml", "name"};

std::string PrintList(const Kind& kind, const std::vector<Json>& objects, const std::string& format,
                      bool namespaces, WallTime now) {
  if (format == "name") {
    std::string text;
    for (const Json& object : objects) text += NameFor(kind, kube::NameOf(object)) + "\n";
    return text;
  }
  if (format == "json" || format == "yaml") {
    Json items = Json::array();
    for (const Json& object : objects) items.push_back(Shown(object));
    return Structured({{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(items)}}, format);
  }
  return FormatTable(Rows(kind, objects, format == "wide", namespaces, now));
}

std::string PrintOne(const Kind& kind, const Json& object, const std::string& format, WallTime now) {
  if (format == "name") return NameFor(kind, kube::NameOf(object)) + "\n";
  if (format == "json" || format == "yaml") return Structured(Shown(object), format);
  return FormatTable(Rows(kind, {object}, true, true, now)) + Details(object, now);
}

}  // namespace slicelet::cli
