#include "provider/controllers/kept_database.h"

#include "kube/object.h"

namespace slicelet::provider {
namespace {

constexpr int kDatabaseUser = 70;
constexpr int kDatabasePort = 5432;
constexpr std::size_t kUidLength = 8;
constexpr char kDataPath[] = "/var/lib/postgresql";

/// Whoever touches the data holds this until it ends. PostgreSQL's own lock names a process, which says
/// nothing where every pod counts its processes anew, and may be left over from a power cut.
constexpr char kLockData[] = R"(set -eu
exec 9>/var/lib/postgresql/lock
flock -n 9 || { echo 'another pod uses this data' >&2; exit 1; }
)";

/// Every quote twice, as SQL has it.
constexpr char kQuotePassword[] = R"(rest=$DATABASE_PASSWORD DATABASE_PASSWORD=
while [ "${rest#*\'}" != "$rest" ]; do
  DATABASE_PASSWORD="$DATABASE_PASSWORD${rest%%\'*}''" rest=${rest#*\'}
done
DATABASE_PASSWORD=$DATABASE_PASSWORD$rest
)";

/// Begins a database, which is there as a whole or not at all, and gives its user the current password.
constexpr char kTell[] = R"(data=/var/lib/postgresql/data
tell() {
  out=`printf '%s\n' "$@" | postgres --single -D "$where" postgres 2>&1` || { printf '%s\n' "$out" >&2; exit 1; }
  case $out in *ERROR:* | *FATAL:*) printf '%s\n' "$out" >&2; exit 1 ;; esac
}
if [ ! -d $data ]; then
  where=$data.new
  rm -rf $where
  initdb -D $where -U postgres -E UTF8 --locale=C --auth-local=reject --auth-host=scram-sha-256
  echo 'host all all all scram-sha-256' >>$where/pg_hba.conf
  tell)";

constexpr char kSetPassword[] = R"(
  sync
  mv $where $data
fi
where=$data
rm -f $where/postmaster.pid
tell "ALTER USER postgres PASSWORD '$DATABASE_PASSWORD';"
)";

constexpr char kRunDatabase[] =
    "exec postgres -D /var/lib/postgresql/data -c 'listen_addresses=*' -c unix_socket_directories= -c "
    "jit=off";

std::string BeginScript(const KeptDatabase& database) {
  std::string script = kLockData;
  if (database.quoted) script += kQuotePassword;
  script += kTell;
  for (const std::string& name : database.databases) script += " 'CREATE DATABASE " + name + ";'";
  return script + kSetPassword;
}

Json InitContainer(const std::string& name, const std::string& image, const Json& mount) {
  Json made = Container(name, image);
  made["volumeMounts"] = Json::array({mount});
  made["resources"] = Resources("10m", "16Mi", "256Mi");
  return made;
}

}  // namespace

Json OwnDirectory(const std::string& name, const std::string& image, const Json& mount,
                  const std::string& owner) {
  Json made = InitContainer(name, image, mount);
  made["command"] = {"chown", owner, mount["mountPath"]};
  made["securityContext"] = {{"runAsUser", 0}, {"runAsGroup", 0}};
  return made;
}

Json OwnData(const KeptDatabase& database) {
  const std::string user = std::to_string(kDatabaseUser);
  return OwnDirectory("own-data", database.image, Mount("database", kDataPath), user + ":" + user);
}

Json BeginDatabase(const KeptDatabase& database) {
  Json made = InitContainer("begin-database", database.image, Mount("database", kDataPath));
  made["command"] = Shell(BeginScript(database));
  made["env"] = Json::array({database.password});
  made["securityContext"] = User(kDatabaseUser);
  return made;
}

Json RunDatabase(const std::string& image) {
  Json made = Container("postgres", image);
  made["command"] = Shell(std::string(kLockData) + kRunDatabase);
  made["securityContext"] = User(kDatabaseUser);
  made["volumeMounts"] = Json::array({Mount("database", kDataPath)});
  Probe(made, TcpProbe(kDatabasePort));
  made["resources"] = Resources("50m", "64Mi", "512Mi");
  return made;
}

Json KeptVolume(const std::string& name, const std::string& path) {
  return {{"name", name}, {"hostPath", {{"path", path}, {"type", "DirectoryOrCreate"}}}};
}

std::string DataPathOf(const Json& owner) {
  return kube::TextAt(owner, {"spec", "dataPath"}) + "/" + kube::NamespaceOf(owner) + "." +
         kube::NameOf(owner) + "." + kube::UidOf(owner).substr(0, kUidLength);
}

}  // namespace slicelet::provider
