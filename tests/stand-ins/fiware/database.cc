#include "tests/stand-ins/fiware/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <mutex>
#include <sstream>

#include "tests/stand-ins/fiware/services.h"

namespace slicelet::fiware {
namespace {

constexpr char kDocuments[] = "/documents";

/// Documents as files of one directory, each replaced as a whole.
class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {
    if (access(path_.c_str(), W_OK) != 0) Die(100, path_ + " can not be written");
  }

  [[nodiscard]] std::optional<std::string> Read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name);
    if (!file) return std::nullopt;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  [[nodiscard]] bool Write(const std::string& name, const std::string& text) {
    const std::lock_guard<std::mutex> lock(writing_);
    const std::string whole = path_ + "/" + name;
    const std::string part = whole + ".new";
    const int fd = open(part.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool written =
        write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
    close(fd);
    return written && std::rename(part.c_str(), whole.c_str()) == 0;
  }

 private:
  const std::string path_;
  std::mutex writing_;
};

bool IsName(const std::string& text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos;
}

[[noreturn]] void ServeDocuments(int port, const std::string& directory, const Json& about) {
  Directory files(directory);
  Serve(port, [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (request.path == "/") return Answer(200, about);
    const auto parts = request.Below(kDocuments);
    if (!parts || parts->size() != 1 || !IsName(parts->front())) return std::nullopt;
    if (request.method == "PUT") {
      if (files.Write(parts->front(), request.body)) return Answer(200, Json::object());
      return Refuse(500, "WriteError", parts->front() + " could not be written");
    }
    const auto text = files.Read(parts->front());
    return text ? HttpResponse{200, *text} : Refuse(404, "NotFound", parts->front());
  });
}

}  // namespace

bool Documents::Reachable() const { return stand_ins::Fetch(database_, "GET", "/").has_value(); }

Json Documents::Load(const std::string& name, Json otherwise) const {
  const auto answer = stand_ins::Fetch(database_, "GET", std::string(kDocuments) + "/" + name);
  if (answer && answer->status == 200) return Json::parse(answer->body);
  if (answer && answer->status == 404) return otherwise;
  throw std::runtime_error("the database at " + database_.host + ":" + std::to_string(database_.port) +
                           " can not be read");
}

void Documents::Save(const std::string& name, const Json& document) const {
  const auto answer =
      stand_ins::Fetch(database_, "PUT", std::string(kDocuments) + "/" + name, document.dump());
  if (answer && answer->status == 200) return;
  throw std::runtime_error("the database at " + database_.host + ":" + std::to_string(database_.port) +
                           " does not store");
}

void RunMongo(int argc, char** argv) {
  // Without --smallfiles, which MongoDB 8 refuses in this way.
  auto options = Options(argc, argv, {"--bind_ip_all"}, {"--port", "--dbpath", "--bind_ip"}, 2);
  const std::string port = options["--port"];
  const std::string directory = options["--dbpath"];
  ServeDocuments(port.empty() ? 27017 : std::atoi(port.c_str()), directory.empty() ? "/data/db" : directory,
                 {{"ok", 1}});
}

void RunCrate(int argc, char** argv) {
  auto options =
      Options(argc, argv, {}, {"-Cnetwork.host", "-Chttp.port", "-Cdiscovery.type", "-Cpath.data"}, 1);
  const std::string port = options["-Chttp.port"];
  const std::string directory = options["-Cpath.data"];
  ServeDocuments(port.empty() ? 4200 : std::atoi(port.c_str()), directory.empty() ? "/data" : directory,
                 {{"ok", true}, {"status", 200}});
}

}  // namespace slicelet::fiware
