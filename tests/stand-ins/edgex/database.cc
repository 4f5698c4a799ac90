#include "tests/stand-ins/edgex/database.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/stand-ins/edgex/service.h"

namespace slicelet::edgex {

Database::Database(const Service& service, const std::string& schema)
    : parameters_("dbname=edgex_db connect_timeout=5 host=" + service.Setting("DATABASE_HOST", "localhost") +
                  " port=" + service.Setting("DATABASE_PORT", "5432") + " user='" +
                  service.Setting("WRITABLE_INSECURESECRETS_DB_SECRETDATA_USERNAME", "postgres") +
                  "' password='" +
                  service.Setting("WRITABLE_INSECURESECRETS_DB_SECRETDATA_PASSWORD", "postgres") + "'") {
  service.Require("database", 1, [this] { return Connect(); });
  PGresult* made = PQexec(connection_, schema.c_str());
  if (PQresultStatus(made) != PGRES_COMMAND_OK) Die(1, std::string("tables: ") + PQerrorMessage(connection_));
  PQclear(made);
}

Database::~Database() { PQfinish(connection_); }

bool Database::Connect() {
  PQfinish(connection_);
  connection_ = PQconnectdb(parameters_.c_str());
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  return PQstatus(connection_) == CONNECTION_OK;
}

PGresult* Database::Run(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  for (int attempt = 0;; ++attempt) {
    PGresult* result = PQexecParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                    values.data(), nullptr, nullptr, 0);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
    const std::string why = PQerrorMessage(connection_);
    PQclear(result);
    if (attempt > 0 || PQstatus(connection_) == CONNECTION_OK || !Connect()) throw std::runtime_error(why);
  }
}

std::vector<Database::Row> Database::Execute(const std::string& sql,
                                             const std::vector<std::string>& parameters) {
  const std::lock_guard lock(mutex_);
  PGresult* result = Run(sql, parameters);
  std::vector<Row> rows(static_cast<std::size_t>(PQntuples(result)));
  for (int i = 0; i < PQntuples(result); ++i) {
    for (int j = 0; j < PQnfields(result); ++j)
      rows[static_cast<std::size_t>(i)].push_back(PQgetvalue(result, i, j));
  }
  PQclear(result);
  return rows;
}

int Database::Change(const std::string& sql, const std::vector<std::string>& parameters) {
  const std::lock_guard lock(mutex_);
  PGresult* result = Run(sql, parameters);
  const int changed = std::atoi(PQcmdTuples(result));
  PQclear(result);
  return changed;
}

}  // namespace slicelet::edgex
