#pragma once

#include <string>

#include "tests/stand-ins/fiware/service.h"

namespace slicelet::fiware {

/// What a service keeps in its database, as whole documents by name. The stand-ins of MongoDB and CrateDB
/// speak neither's protocol: GET and PUT of /documents/NAME is all that the services here ask of them.
class Documents {
 public:
  explicit Documents(Endpoint database) : database_(std::move(database)) {}

  [[nodiscard]] bool Reachable() const;
  /// The document, `otherwise` when there is none. Throws when the database does not answer.
  [[nodiscard]] Json Load(const std::string& name, Json otherwise) const;
  /// On return the document is on the database's disk. Throws when it may not be.
  void Save(const std::string& name, const Json& document) const;

 private:
  const Endpoint database_;
};

}  // namespace slicelet::fiware
