#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace slicelet::edgex {

/// Where a Modbus device is: what EdgeX calls the protocol properties of modbus-tcp and modbus-rtu.
struct ModbusAddress {
  std::string address;  // a host, or a serial line
  int port = 0;         // 0: over the serial line
  int unit = 0;
  int baud_rate = 0, data_bits = 0, stop_bits = 0;
  char parity = 'N';
  std::chrono::milliseconds timeout{};
};

/// Of a device's `protocols`; throws std::runtime_error where one of the properties is missing or wrong.
ModbusAddress ModbusAddressOf(const nlohmann::json& protocols);

/// Modbus's function codes to read.
enum class ModbusTable { kCoils = 1, kDiscreteInputs = 2, kHoldingRegisters = 3, kInputRegisters = 4 };

/// Bits, eight to a byte, or registers, two bytes each with the high one first. Connects for each reading,
/// and throws std::runtime_error when the device can not be reached or refuses.
std::string ReadModbus(const ModbusAddress& device, ModbusTable table, int first, int count);

}  // namespace slicelet::edgex
