#include "tests/stand-ins/edgex/modbus.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>

#include "tests/stand-ins/edgex/service.h"

namespace slicelet::edgex {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr char kTransaction[] = {0, 1, 0, 0};  // its number, and the protocol's

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }
[[noreturn]] void FailWithErrno(const std::string& what) { Fail(what + ": " + std::strerror(errno)); }

std::string Property(const Json& properties, const std::string& name) {
  if (!properties.contains(name)) Fail("protocol config '" + name + "' not exist");
  const Json& value = properties[name];
  return value.is_string() ? value.get<std::string>() : value.dump();
}

int Number(const Json& properties, const std::string& name, int most) {
  const std::string text = Property(properties, name);
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0 || value > most) {
    Fail("protocol config " + name + " value " + text + " is out of range");
  }
  return static_cast<int>(value);
}

std::string Word(int value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)}; }

/// The low byte first.
std::string Checksum(const std::string& bytes) {
  unsigned crc = 0xFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int i = 0; i < 8; ++i) crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1;
  }
  return {static_cast<char>(crc & 0xFF), static_cast<char>(crc >> 8)};
}

/// An open connection or serial line.
class Line {
 public:
  explicit Line(const ModbusAddress& device) : serial_(device.port == 0) {
    fd_ = serial_ ? open(device.address.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
                  : stand_ins::Connect({device.address, device.port});
    if (fd_ < 0) FailWithErrno(serial_ ? "open " + device.address : "dial " + device.address);
    if (serial_) SetSpeed(device);
    end_ = steady_clock::now() + device.timeout;
  }
  Line(const Line&) = delete;
  ~Line() { close(fd_); }

  [[nodiscard]] bool serial() const { return serial_; }

  void Write(const std::string& bytes) const {
    if (write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) FailWithErrno("write");
  }

  [[nodiscard]] std::string Read(std::size_t size) const {
    std::string bytes;
    while (bytes.size() < size) {
      const auto left = std::chrono::duration_cast<milliseconds>(end_ - steady_clock::now()).count();
      pollfd wait{fd_, POLLIN, 0};
      if (left <= 0 || poll(&wait, 1, static_cast<int>(left)) == 0) Fail("the device did not answer in time");
      char buffer[256];
      const ssize_t n = read(fd_, buffer, std::min(size - bytes.size(), sizeof buffer));
      if (n == 0) Fail("the device has hung up");
      if (n < 0 && errno != EAGAIN && errno != EINTR) FailWithErrno("read");
      if (n > 0) bytes.append(buffer, static_cast<std::size_t>(n));
    }
    return bytes;
  }

 private:
  void SetSpeed(const ModbusAddress& device) const {
    static const std::map<int, speed_t> kSpeeds = {{1'200, B1200},   {2'400, B2400},    {4'800, B4800},
                                                   {9'600, B9600},   {19'200, B19200},  {38'400, B38400},
                                                   {57'600, B57600}, {115'200, B115200}};
    const auto speed = kSpeeds.find(device.baud_rate);
    if (speed == kSpeeds.end()) Fail("no baud rate " + std::to_string(device.baud_rate));
    termios settings{};
    if (tcgetattr(fd_, &settings) != 0) FailWithErrno(device.address);
    cfmakeraw(&settings);
    cfsetspeed(&settings, speed->second);
    settings.c_cflag &= ~static_cast<tcflag_t>(CSIZE | CSTOPB | PARENB | PARODD);
    settings.c_cflag |= CLOCAL | CREAD | (device.data_bits == 7 ? CS7 : CS8);
    if (device.stop_bits == 2) settings.c_cflag |= CSTOPB;
    if (device.parity != 'N') settings.c_cflag |= PARENB;
    if (device.parity == 'O') settings.c_cflag |= PARODD;
    if (tcsetattr(fd_, TCSANOW, &settings) != 0) FailWithErrno(device.address);
    tcflush(fd_, TCIOFLUSH);
  }

  bool serial_;
  int fd_ = -1;
  steady_clock::time_point end_;
};

}  // namespace

ModbusAddress ModbusAddressOf(const Json& protocols) {
  const bool tcp = protocols.contains("modbus-tcp");
  if (tcp == protocols.contains("modbus-rtu")) Fail("protocol config is neither modbus-tcp nor modbus-rtu");
  const Json& properties = protocols[tcp ? "modbus-tcp" : "modbus-rtu"];
  ModbusAddress device{.address = Property(properties, "Address"),
                       .unit = Number(properties, "UnitID", 255),
                       .timeout = ParseDuration(Property(properties, "Timeout"), milliseconds{0})};
  if (device.timeout.count() == 0) Fail("protocol config Timeout is no duration");
  Property(properties, "IdleTimeout");
  if (tcp) {
    device.port = Number(properties, "Port", 65'535);
    return device;
  }
  device.baud_rate = Number(properties, "BaudRate", 4'000'000);
  device.data_bits = Number(properties, "DataBits", 8);
  device.stop_bits = Number(properties, "StopBits", 2);
  const std::string parity = Property(properties, "Parity");
  if (parity != "N" && parity != "O" && parity != "E") Fail("invalid parity value " + parity);
  device.parity = parity[0];
  return device;
}

std::string ReadModbus(const ModbusAddress& device, ModbusTable table, int first, int count) {
  const char function = static_cast<char>(table);
  const std::string asked = std::string{static_cast<char>(device.unit), function} + Word(first) + Word(count);
  const Line line(device);
  if (line.serial()) {
    line.Write(asked + Checksum(asked));
  } else {
    line.Write(std::string(kTransaction, sizeof kTransaction) + Word(static_cast<int>(asked.size())) + asked);
    (void)line.Read(6);
  }
  std::string answer = line.Read(3);  // unit, function, and the length or what is wrong
  const int third = static_cast<unsigned char>(answer[2]);
  const bool refused = (static_cast<unsigned char>(answer[1]) & 0x80U) != 0;
  const std::string data = refused ? "" : line.Read(static_cast<std::size_t>(third));
  answer += data;
  if (line.serial() && line.Read(2) != Checksum(answer)) Fail("the checksum is wrong");
  if (refused) Fail("the device refuses with exception " + std::to_string(third));
  if (answer[0] != asked[0] || answer[1] != function) Fail("the answer is to something else");
  return data;
}

}  // namespace slicelet::edgex
