#include "tests/stand-ins/common/http.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <thread>

namespace slicelet::stand_ins {
namespace {

constexpr std::size_t kMaxMessage = std::size_t{8} << 20;
constexpr int kTimeoutSeconds = 10;

void SetTimeouts(int fd) {
  const timeval limit{kTimeoutSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool SendAll(int fd, const std::string& data) {
  for (std::size_t sent = 0; sent < data.size();) {
    const ssize_t n = send(fd, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

/// Names in lower case, values without the blanks around them.
std::map<std::string, std::string> ParseHeaders(const std::string& head) {
  std::map<std::string, std::string> headers;
  for (std::size_t end = head.find("\r\n"); end != std::string::npos;) {
    const std::size_t begin = end + 2;
    end = head.find("\r\n", begin);
    const std::string line = head.substr(begin, end == std::string::npos ? end : end - begin);
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
    const auto first = line.find_first_not_of(" \t", colon + 1);
    const auto last = line.find_last_not_of(" \t");
    headers[name] = first == std::string::npos ? "" : line.substr(first, last - first + 1);
  }
  return headers;
}

std::string HeaderLines(const std::map<std::string, std::string>& headers) {
  std::string lines;
  for (const auto& [name, value] : headers) lines.append(name).append(": ").append(value).append("\r\n");
  return lines;
}

std::size_t ContentLength(const std::string& head) {
  const auto headers = ParseHeaders(head);
  const auto length = headers.find("content-length");
  return length == headers.end() ? 0 : std::strtoul(length->second.c_str(), nullptr, 10);
}

/// Head and body of one message; "" when it did not come whole. A body without a length ends with the
/// connection.
std::pair<std::string, std::string> ReadMessage(int fd, bool response) {
  std::string data;
  char buffer[16384];
  std::size_t head_end = std::string::npos;
  while (data.size() < kMaxMessage) {
    head_end = data.find("\r\n\r\n");
    if (head_end != std::string::npos) {
      const std::size_t length = ContentLength(data.substr(0, head_end));
      const bool known = length > 0 || !response;
      if (known && data.size() >= head_end + 4 + length)
        return {data.substr(0, head_end), data.substr(head_end + 4, length)};
    }
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    data.append(buffer, static_cast<std::size_t>(n));
  }
  if (response && head_end != std::string::npos) return {data.substr(0, head_end), data.substr(head_end + 4)};
  return {};
}

HttpRequest ParseRequest(const std::string& head, std::string body) {
  HttpRequest request;
  const auto first = head.find(' ');
  const auto second = head.find(' ', first + 1);
  request.method = head.substr(0, first);
  std::string target = head.substr(first + 1, second - first - 1);
  const auto question = target.find('?');
  if (question != std::string::npos) {
    std::string rest = target.substr(question + 1) + "&";
    target.resize(question);
    for (std::size_t begin = 0, end; (end = rest.find('&', begin)) != std::string::npos; begin = end + 1) {
      const std::string pair = rest.substr(begin, end - begin);
      const auto equals = pair.find('=');
      if (!pair.empty()) {
        request.query[UrlDecode(pair.substr(0, equals))] =
            equals == std::string::npos ? "" : UrlDecode(pair.substr(equals + 1));
      }
    }
  }
  request.path = target;
  request.headers = ParseHeaders(head);
  request.body = std::move(body);
  return request;
}

void ServeOne(int client, const HttpHandler& handler) {
  SetTimeouts(client);
  auto [head, body] = ReadMessage(client, false);
  if (!head.empty()) {
    const HttpResponse response =
        handler(ParseRequest(head, std::move(body))).value_or(HttpResponse{404, ""});
    SendAll(client, "HTTP/1.1 " + std::to_string(response.status) +
                        " -\r\nContent-Type: application/json\r\nConnection: close\r\n" +
                        HeaderLines(response.headers) + "Content-Length: " +
                        std::to_string(response.body.size()) + "\r\n\r\n" + response.body);
  }
  close(client);
}

}  // namespace

int Connect(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found) != 0)
    return -1;
  int fd = -1;
  for (const addrinfo* at = found; at != nullptr && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    SetTimeouts(fd);
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  return fd;
}

std::string UrlDecode(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::strtol(text.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<std::vector<std::string>> HttpRequest::Below(const std::string& prefix) const {
  if (path.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  if (path.size() > prefix.size() && path[prefix.size()] != '/') return std::nullopt;
  std::vector<std::string> parts;
  for (std::size_t begin = prefix.size() + 1; begin <= path.size() && path.size() > prefix.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(UrlDecode(path.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

std::string HttpRequest::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

void ServeHttp(int port, const HttpHandler& handler) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 64) != 0)
    return;
  for (;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) std::thread([client, &handler] { ServeOne(client, handler); }).detach();
  }
}

std::optional<HttpResponse> Fetch(const Endpoint& endpoint, const std::string& method,
                                  const std::string& path, const std::string& body,
                                  const std::map<std::string, std::string>& headers) {
  const int fd = Connect(endpoint);
  if (fd < 0) return std::nullopt;
  std::string head;
  std::string answer;
  if (SendAll(fd, method + " " + path + " HTTP/1.1\r\nHost: " + endpoint.host +
                      "\r\nConnection: close\r\nContent-Type: application/json\r\n" + HeaderLines(headers) +
                      "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body)) {
    std::tie(head, answer) = ReadMessage(fd, true);
  }
  close(fd);
  if (head.size() < 12) return std::nullopt;
  return HttpResponse{std::atoi(head.c_str() + 9), answer};
}

}  // namespace slicelet::stand_ins
