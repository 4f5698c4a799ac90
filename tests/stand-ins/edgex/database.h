#pragma once

#include <libpq-fe.h>

#include <mutex>
#include <string>
#include <vector>

namespace slicelet::edgex {

class Service;

/// The database of the service's settings (DATABASE_HOST, DATABASE_PORT, the insecure DB secret).
class Database {
 public:
  using Row = std::vector<std::string>;

  /// Waits for it, ends the program with 1 without it, then runs `schema`.
  Database(const Service& service, const std::string& schema);
  Database(const Database&) = delete;
  ~Database();

  /// One statement with $1 ... parameters. Connects again once when the connection was lost; throws
  /// std::runtime_error when the statement fails.
  std::vector<Row> Execute(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// Rows that the statement changed.
  int Change(const std::string& sql, const std::vector<std::string>& parameters);

 private:
  bool Connect();
  PGresult* Run(const std::string& sql, const std::vector<std::string>& parameters);

  std::mutex mutex_;
  std::string parameters_;
  PGconn* connection_ = nullptr;
};

}  // namespace slicelet::edgex
