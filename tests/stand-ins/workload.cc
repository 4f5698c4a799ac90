// The container of the tests and of the demo: one static program that does what its arguments say, in their
// order.
//
//   print TEXT | error TEXT        a line on stdout | stderr
//   lines N MS                     "line 1" ... "line N" on stdout, MS apart; N 0: without end
//   env NAME | environ             NAME's value (exit 1 if unset) | the whole environment
//   cat FILE | write FILE TEXT | remove FILE
//   exists FILE                    exit 1 if it does not exist: for exec probes
//   echo                           copies stdin to stdout until its end
//   id                             "uid=U gid=G"
//   sleep MS | wait                wait: until SIGTERM, then exit 0
//   linger MS                      from now on SIGTERM exits only MS later; negative: never
//   memory MIB                     takes and touches that much memory
//   http PORT                      serves until SIGTERM: / and /healthz (503 while /tmp/unhealthy exists),
//   /env/NAME,
//                                  /file/PATH (404 if absent), /exit/CODE
//   exit CODE | abort
//
// SIGTERM prints "terminated" and exits 0. Without arguments it is `wait`: a pause program.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

extern char** environ;

namespace {

volatile sig_atomic_t linger_ms = 0;
bool quiet = false;

void WriteAll(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
}

void Line(int fd, const std::string& text) {
  const std::string line = text + "\n";
  WriteAll(fd, line.data(), line.size());
}

void SleepMs(long ms) {
  timespec left{ms / 1000, (ms % 1000) * 1'000'000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void OnTerm(int) {
  if (linger_ms < 0) return;
  if (!quiet) WriteAll(1, "terminated\n", 11);
  if (linger_ms > 0) SleepMs(linger_ms);
  _exit(0);
}

void OnChild(int) {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

std::string ReadFile(const char* path, bool* found) {
  std::string content;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  *found = fd >= 0;
  if (fd < 0) return content;
  char buffer[65536];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) content.append(buffer, static_cast<std::size_t>(n));
  close(fd);
  return content;
}

bool Exists(const char* path) {
  struct stat info;
  return stat(path, &info) == 0;
}

void Answer(int client, const std::string& path) {
  std::string status = "200 OK", body;
  int exit_code = -1;
  if (path == "/" || path == "/healthz") {
    body = "ok\n";
    if (Exists("/tmp/unhealthy")) status = "503 Service Unavailable", body = "unhealthy\n";
  } else if (path.rfind("/env/", 0) == 0) {
    const char* value = getenv(path.c_str() + 5);
    if (value == nullptr)
      status = "404 Not Found";
    else
      body = value;
  } else if (path.rfind("/file/", 0) == 0) {
    bool found = false;
    body = ReadFile(path.c_str() + 5, &found);
    if (!found) status = "404 Not Found";
  } else if (path.rfind("/exit/", 0) == 0) {
    exit_code = atoi(path.c_str() + 6);
  } else {
    status = "404 Not Found";
  }
  const std::string answer = "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  WriteAll(client, answer.data(), answer.size());
  if (exit_code >= 0) _exit(exit_code);
}

[[noreturn]] void Serve(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 64) != 0) {
    Line(2, "cannot listen on port " + std::to_string(port) + ": " + strerror(errno));
    _exit(1);
  }
  for (;;) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const timeval patience{5, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string head;
    char buffer[4096];
    while (head.size() < 65536 && head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = read(client, buffer, sizeof buffer);
      if (n <= 0) break;
      head.append(buffer, static_cast<std::size_t>(n));
    }
    const auto begin = head.find(' ');
    const auto end = begin == std::string::npos ? begin : head.find_first_of(" ?", begin + 1);
    if (end != std::string::npos) Answer(client, head.substr(begin + 1, end - begin - 1));
    close(client);
  }
}

[[noreturn]] void Usage(const std::string& verb) {
  Line(2, "workload: bad or unfinished instruction: " + verb);
  exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  struct sigaction term{};
  term.sa_handler = OnTerm;
  sigaction(SIGTERM, &term, nullptr);
  struct sigaction child{};
  child.sa_handler = OnChild;
  child.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  sigaction(SIGCHLD, &child, nullptr);

  if (argc == 1) {
    quiet = true;
    for (;;) pause();
  }
  int at = 1;
  const auto next = [&](const std::string& verb) -> const char* {
    if (at >= argc) Usage(verb);
    return argv[at++];
  };
  while (at < argc) {
    const std::string verb = argv[at++];
    if (verb == "print") {
      Line(1, next(verb));
    } else if (verb == "error") {
      Line(2, next(verb));
    } else if (verb == "lines") {
      const long count = atol(next(verb));
      const long gap = atol(next(verb));
      for (long i = 1; count == 0 || i <= count; ++i) {
        Line(1, "line " + std::to_string(i));
        if (gap > 0) SleepMs(gap);
      }
    } else if (verb == "env") {
      const char* value = getenv(next(verb));
      if (value == nullptr) return 1;
      Line(1, value);
    } else if (verb == "environ") {
      for (char** entry = environ; *entry != nullptr; ++entry) Line(1, *entry);
    } else if (verb == "cat") {
      bool found = false;
      const char* path = next(verb);
      const std::string content = ReadFile(path, &found);
      if (!found) {
        Line(2, std::string("cannot read ") + path);
        return 1;
      }
      WriteAll(1, content.data(), content.size());
    } else if (verb == "write") {
      const char* path = next(verb);
      const char* text = next(verb);
      const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
      if (fd < 0) {
        Line(2, std::string("cannot write ") + path + ": " + strerror(errno));
        return 1;
      }
      Line(fd, text);
      close(fd);
    } else if (verb == "remove") {
      unlink(next(verb));
    } else if (verb == "exists") {
      if (!Exists(next(verb))) return 1;
    } else if (verb == "echo") {
      char buffer[65536];
      ssize_t n;
      while ((n = read(0, buffer, sizeof buffer)) > 0) WriteAll(1, buffer, static_cast<std::size_t>(n));
    } else if (verb == "id") {
      Line(1, "uid=" + std::to_string(getuid()) + " gid=" + std::to_string(getgid()));
    } else if (verb == "sleep") {
      SleepMs(atol(next(verb)));
    } else if (verb == "wait") {
      for (;;) pause();
    } else if (verb == "linger") {
      linger_ms = atoi(next(verb));
    } else if (verb == "memory") {
      static std::vector<char> held;
      held.assign(static_cast<std::size_t>(atol(next(verb))) << 20, 1);
    } else if (verb == "http") {
      Serve(atoi(next(verb)));
    } else if (verb == "exit") {
      return atoi(next(verb));
    } else if (verb == "abort") {
      signal(SIGABRT, SIG_DFL);
      abort();
    } else {
      Usage(verb);
    }
  }
  return 0;
}
