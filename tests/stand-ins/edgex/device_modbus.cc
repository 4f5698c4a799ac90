// Reads Modbus devices, over TCP and over a serial line, as often as they ask for it.
#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "tests/stand-ins/edgex/device_service.h"
#include "tests/stand-ins/edgex/modbus.h"
#include "tests/stand-ins/edgex/services.h"

namespace slicelet::edgex {
namespace {

using Json = nlohmann::json;

constexpr int kBitsOfRegister = 16;

std::string Attribute(const Json& resource, const char* name) {
  const Json attributes = resource.value("attributes", Json::object());
  if (!attributes.contains(name)) throw std::runtime_error(std::string("attribute ") + name + " not exists");
  return attributes[name].is_string() ? attributes[name].get<std::string>() : attributes[name].dump();
}

ModbusTable TableOf(const Json& resource) {
  static const std::map<std::string, ModbusTable> kTables = {
      {"COILS", ModbusTable::kCoils},
      {"DISCRETES_INPUT", ModbusTable::kDiscreteInputs},
      {"DISCRETE_INPUTS", ModbusTable::kDiscreteInputs},
      {"HOLDING_REGISTERS", ModbusTable::kHoldingRegisters},
      {"INPUT_REGISTERS", ModbusTable::kInputRegisters}};
  const auto found = kTables.find(Attribute(resource, "primaryTable"));
  // The real one divides by the width of a table that it does not know, and panics.
  if (found == kTables.end()) Die(2, "panic: no primaryTable " + Attribute(resource, "primaryTable"));
  return found->second;
}

int BitsOf(const std::string& type) {
  if (type.size() < 2 || type == "Bool") return 1;
  return std::atoi(type.c_str() + type.size() - 2);  // Int16, Uint32, Float64
}

std::string FloatText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%e", value);
  return text;
}

/// The bytes of the registers as a value of the type.
std::string TextOf(const std::string& type, const std::string& bytes) {
  if (type == "Bool") return (bytes.at(0) & 1) != 0 ? "true" : "false";
  std::uint64_t raw = 0;
  for (const char byte : bytes) raw = (raw << 8) | static_cast<unsigned char>(byte);
  if (type == "Float64") {
    double value = 0;
    std::memcpy(&value, &raw, sizeof value);
    return FloatText(value);
  }
  if (type == "Float32") {
    const auto half = static_cast<std::uint32_t>(raw);
    float value = 0;
    std::memcpy(&value, &half, sizeof value);
    return FloatText(static_cast<double>(value));
  }
  if (type == "Int16") return std::to_string(static_cast<std::int16_t>(raw));
  if (type == "Int32") return std::to_string(static_cast<std::int32_t>(raw));
  if (type == "Int64") return std::to_string(static_cast<std::int64_t>(raw));
  if (type.rfind("Uint", 0) == 0) return std::to_string(raw);
  throw std::runtime_error("none supported value type: " + type);
}

std::string ReadResource(const Json& device, const Json& resource) {
  const ModbusAddress address = ModbusAddressOf(device.value("protocols", Json::object()));
  const ModbusTable table = TableOf(resource);
  const std::string type = resource["properties"].value("valueType", "");
  const bool registers = table == ModbusTable::kHoldingRegisters || table == ModbusTable::kInputRegisters;
  const int count = registers ? std::max(1, BitsOf(type) / kBitsOfRegister) : 1;
  const int first = std::atoi(Attribute(resource, "startingAddress").c_str());
  return TextOf(type, ReadModbus(address, table, first, count));
}

}  // namespace

void RunDeviceModbus(int argc, char** argv) {
  Service service("device-modbus", 59901, argc, argv);
  DeviceService devices(service);
  devices.ServeCommands(ReadResource, /*takes_set=*/false);
  devices.RunAutoEvents(ReadResource);
  service.Serve();
}

}  // namespace slicelet::edgex
