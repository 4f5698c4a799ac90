// The C library, not Paho's C++ wrapper: the wrapper copies its option objects on the way to a connection and
// loses their properties doing so (paho.mqtt.cpp issues 445 and 524), and a delay of the will is such a
// property.
#include <MQTTAsync.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/mqtt/mqtt_module.h"

/// A client as the module's user knows it.
struct slicelet_mqtt_client {
  std::uintptr_t id = 0;
  MQTTAsync handle = nullptr;
  slicelet_mqtt_callbacks callbacks{};
  void* user = nullptr;
  /// Held while a callback runs, so that closing waits for it.
  std::mutex mutex;
  bool closed = false;
  /// The connection that was to end has ended.
  bool left = false;
  std::condition_variable leaving;
  bool keeps_arrivals = false;
  bool version5 = true;
  std::string files[3];
  int descriptors[3] = {-1, -1, -1};

  ~slicelet_mqtt_client() {
    for (const int descriptor : descriptors) {
      if (descriptor >= 0) ::close(descriptor);
    }
  }
};

namespace {

using Clock = std::chrono::steady_clock;
using ClientPtr = std::shared_ptr<slicelet_mqtt_client>;

constexpr int kQos = 1;
constexpr int kMaxInflight = 100;
constexpr int kMaxBuffered = 8'192;
constexpr std::chrono::seconds kRest{2};
constexpr int kDisconnectMilliseconds = 500;
/// For a library that is busy; a connection ends by itself within `kDisconnectMilliseconds`.
constexpr std::chrono::seconds kLeaving{5};
constexpr std::size_t kSchemeSize = 6;

/// The library calls back with numbers, not with pointers: it may do so after a client is gone.
struct Registry {
  std::mutex mutex;
  std::uintptr_t next = 1;
  std::map<std::uintptr_t, ClientPtr> clients;
  /// Clients that were closed. The library touches a handle for a moment after its last callback, so it is
  /// destroyed by a later call.
  std::list<std::pair<Clock::time_point, ClientPtr>> closed;
};

Registry& TheRegistry() {
  // Never destroyed: threads of the library live until the process ends.
  static auto* registry = new Registry;
  return *registry;
}

void* ContextOf(std::uintptr_t id) {
  // The library hands it back and never looks behind it. NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<void*>(id);
}

ClientPtr Find(void* context) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  const auto it = registry.clients.find(reinterpret_cast<std::uintptr_t>(context));
  return it == registry.clients.end() ? nullptr : it->second;
}

/// Runs `call` unless the client was closed.
template <typename Call>
void With(void* context, Call call) {
  const ClientPtr client = Find(context);
  if (!client) return;
  const std::lock_guard lock(client->mutex);
  if (!client->closed) call(*client);
}

void Connected(void* context, std::uint32_t max_packet) {
  With(context,
       [max_packet](slicelet_mqtt_client& client) { client.callbacks.connected(client.user, max_packet); });
}
void OnConnected(void* context, MQTTAsync_successData5* data) {
  constexpr auto kLimit = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE;
  const bool limited = data != nullptr && MQTTProperties_hasProperty(&data->properties, kLimit) != 0;
  Connected(context, limited ? MQTTProperties_getProperty(&data->properties, kLimit)->value.integer4 : 0);
}
void OnConnected3(void* context, MQTTAsync_successData*) { Connected(context, 0); }

/// MQTT 3.1.1, table 3.1: what a broker says when it refuses a connection.
const char* Refusal3(int code) {
  switch (code) {
    case 1:
      return "the broker does not speak MQTT 3.1.1";
    case 2:
      return "client id refused";
    case 3:
      return "the broker is not available";
    case 4:
      return "bad user name or password";
    case 5:
      return "not authorized";
    default:
      return MQTTAsync_strerror(code);
  }
}

void OnConnectFailed3(void* context, MQTTAsync_failureData* data) {
  With(context, [data](slicelet_mqtt_client& client) {
    std::string why = "cannot connect to the broker";
    const char* reason = data != nullptr ? Refusal3(data->code) : nullptr;
    if (reason != nullptr) why += std::string(": ") + reason;
    client.callbacks.closed(client.user, why.c_str());
  });
}

void OnConnectFailed(void* context, MQTTAsync_failureData5* data) {
  With(context, [data](slicelet_mqtt_client& client) {
    std::string why = "cannot connect to the broker";
    if (data != nullptr) {
      const char* reason = data->reasonCode != MQTTREASONCODE_SUCCESS
                               ? MQTTReasonCode_toString(data->reasonCode)
                               : MQTTAsync_strerror(data->code);
      if (reason != nullptr) why += std::string(": ") + reason;
      if (data->message != nullptr) why += std::string(": ") + data->message;
    }
    client.callbacks.closed(client.user, why.c_str());
  });
}

void OnLost(void* context, char* cause) {
  With(context, [cause](slicelet_mqtt_client& client) {
    client.callbacks.closed(client.user, cause != nullptr ? cause : "the connection to the broker broke");
  });
}

void OnDisconnected(void* context, MQTTProperties*, enum MQTTReasonCodes reason) {
  With(context, [reason](slicelet_mqtt_client& client) {
    const char* text = MQTTReasonCode_toString(reason);
    client.callbacks.closed(client.user,
                            (std::string("the broker hung up: ") + (text != nullptr ? text : "?")).c_str());
  });
}

int OnMessage(void* context, char* topic, int topic_size, MQTTAsync_message* message) {
  With(context, [&](slicelet_mqtt_client& client) {
    const std::size_t size = topic_size > 0 ? static_cast<std::size_t>(topic_size) : std::strlen(topic);
    client.callbacks.message(client.user, topic, size, static_cast<const char*>(message->payload),
                             static_cast<std::size_t>(message->payloadlen), message->retained);
  });
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

/// What a publication's callbacks need; freed by the one that runs.
struct Publication {
  std::uintptr_t client;
  std::uint64_t id;
};

void Published(void* context, int taken) {
  const std::unique_ptr<Publication> publication(static_cast<Publication*>(context));
  With(ContextOf(publication->client), [&](slicelet_mqtt_client& client) {
    client.callbacks.published(client.user, publication->id, taken);
  });
}
void OnPublished(void* context, MQTTAsync_successData5*) { Published(context, 1); }
void OnPublished3(void* context, MQTTAsync_successData*) { Published(context, 1); }
void OnPublishFailed(void* context, MQTTAsync_failureData5*) { Published(context, 0); }
void OnPublishFailed3(void* context, MQTTAsync_failureData*) { Published(context, 0); }

/// The library reads files only; key material that came in memory stays there.
/// Empty for an empty text.
std::string InMemory(int* descriptor, const char* name, const char* text) {
  if (*text == '\0') return "";
  *descriptor = memfd_create(name, MFD_CLOEXEC);
  const std::size_t size = std::strlen(text);
  if (*descriptor < 0 || ::write(*descriptor, text, size) != static_cast<ssize_t>(size)) return "";
  return "/proc/self/fd/" + std::to_string(*descriptor);
}

void AddProperty(MQTTProperties& properties, MQTTPropertyCodes code, std::uint32_t value) {
  MQTTProperty property{};
  property.identifier = code;
  if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM) {
    property.value.integer2 = static_cast<unsigned short>(value);
  } else {
    property.value.integer4 = value;
  }
  MQTTProperties_add(&properties, &property);
}

struct Properties {
  MQTTProperties list = MQTTProperties_initializer;
  ~Properties() { MQTTProperties_free(&list); }
};

/// Destroys handles that have rested long enough.
void Reap() {
  std::list<std::pair<Clock::time_point, ClientPtr>> done;
  Registry& registry = TheRegistry();
  {
    const std::lock_guard lock(registry.mutex);
    while (!registry.closed.empty() && registry.closed.front().first + kRest < Clock::now()) {
      done.splice(done.end(), registry.closed, registry.closed.begin());
    }
  }
  for (auto& [when, client] : done) MQTTAsync_destroy(&client->handle);
}

int StartConnecting(slicelet_mqtt_client& client, const slicelet_mqtt_options& options) {
  // Everything lives on this stack frame until the library has copied it.
  MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
  if (client.version5) {
    connect = MQTTAsync_connectOptions_initializer5;
  } else {
    connect.MQTTVersion = MQTTVERSION_3_1_1;
  }
  MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
  if (!client.files[0].empty()) ssl.trustStore = client.files[0].c_str();
  if (!client.files[1].empty()) ssl.keyStore = client.files[1].c_str();
  if (!client.files[2].empty()) ssl.privateKey = client.files[2].c_str();
  ssl.enableServerCertAuth = 1;
  ssl.verify = 1;
  ssl.sslVersion = MQTT_SSL_VERSION_TLS_1_2;
  ssl.disableDefaultTrustStore = client.files[0].empty() ? 0 : 1;
  MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
  Properties properties;
  Properties will_properties;
  AddProperty(properties.list, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, options.session_expiry_seconds);
  AddProperty(properties.list, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, kMaxInflight);
  if (options.will_topic != nullptr) {
    will.topicName = options.will_topic;
    will.payload.data = options.will_payload;
    will.payload.len = static_cast<int>(options.will_size);
    will.qos = kQos;
    will.retained = options.will_retained;
    AddProperty(will_properties.list, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, options.will_delay_seconds);
    connect.will = &will;
    if (client.version5) connect.willProperties = &will_properties.list;
  }
  connect.keepAliveInterval = static_cast<int>(options.keepalive_seconds);
  connect.connectTimeout = static_cast<int>(options.connect_timeout_seconds);
  connect.maxInflight = kMaxInflight;
  connect.username = options.username;
  connect.password = options.password;
  if (std::strncmp(options.uri, "ssl://", kSchemeSize) == 0) connect.ssl = &ssl;
  if (client.version5) {
    connect.cleanstart = 0;
    connect.connectProperties = &properties.list;
    connect.onSuccess5 = OnConnected;
    connect.onFailure5 = OnConnectFailed;
  } else {
    connect.cleansession = options.session_expiry_seconds == 0 ? 1 : 0;
    connect.onSuccess = OnConnected3;
    connect.onFailure = OnConnectFailed3;
  }
  connect.context = ContextOf(client.id);
  return MQTTAsync_connect(client.handle, &connect);
}

slicelet_mqtt_client* Open(const slicelet_mqtt_options* options, const slicelet_mqtt_callbacks* callbacks,
                           void* user, char* error, std::size_t error_size) {
  Reap();
  const auto client = std::make_shared<slicelet_mqtt_client>();
  client->callbacks = *callbacks;
  client->user = user;
  client->version5 = options->protocol != 3;
  client->keeps_arrivals = options->keeps_arrivals != 0;
  client->files[0] = InMemory(&client->descriptors[0], "ca", options->ca);
  client->files[1] = InMemory(&client->descriptors[1], "certificate", options->certificate);
  client->files[2] = InMemory(&client->descriptors[2], "key", options->key);
  Registry& registry = TheRegistry();
  {
    const std::lock_guard lock(registry.mutex);
    client->id = registry.next++;
    registry.clients[client->id] = client;
  }
  MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
  if (!client->version5) create.MQTTVersion = MQTTVERSION_3_1_1;
  create.maxBufferedMessages = kMaxBuffered;
  int code = MQTTAsync_createWithOptions(&client->handle, options->uri, options->client_id,
                                         MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create);
  void* context = ContextOf(client->id);
  if (code == MQTTASYNC_SUCCESS) {
    MQTTAsync_setCallbacks(client->handle, context, OnLost, OnMessage, nullptr);
    MQTTAsync_setDisconnected(client->handle, context, OnDisconnected);
    code = StartConnecting(*client, *options);
  }
  if (code == MQTTASYNC_SUCCESS) return client.get();
  const char* reason = MQTTAsync_strerror(code);
  std::snprintf(error, error_size, "cannot connect to %s: %s", options->uri,
                reason != nullptr ? reason : std::to_string(code).c_str());
  if (client->handle != nullptr) MQTTAsync_destroy(&client->handle);
  const std::lock_guard lock(registry.mutex);
  registry.clients.erase(client->id);
  return nullptr;
}

int Publish(slicelet_mqtt_client* client, std::uint64_t id, const char* topic, const char* payload,
            std::size_t size, int qos, int retained, std::uint32_t expiry_seconds) {
  MQTTAsync_message message = MQTTAsync_message_initializer;
  Properties properties;
  if (expiry_seconds > 0) {
    AddProperty(properties.list, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, expiry_seconds);
  }
  // The library only reads it.
  message.payload = const_cast<char*>(payload);
  message.payloadlen = static_cast<int>(size);
  message.qos = qos;
  message.retained = retained;
  message.properties = properties.list;
  MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
  // Its callback frees it.
  auto* publication = new Publication{client->id, id};
  if (client->version5) {
    response.onSuccess5 = OnPublished;
    response.onFailure5 = OnPublishFailed;
  } else {
    response.onSuccess = OnPublished3;
    response.onFailure = OnPublishFailed3;
  }
  response.context = publication;
  const int code = MQTTAsync_sendMessage(client->handle, topic, &message, &response);
  if (code != MQTTASYNC_SUCCESS) delete publication;
  return code;
}

int Subscribe(slicelet_mqtt_client* client, const char* filter) {
  MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
  return MQTTAsync_subscribe(client->handle, filter, kQos, &response);
}

void Left(void* context) {
  With(context, [](slicelet_mqtt_client& client) {
    client.left = true;
    client.leaving.notify_all();
  });
}
void OnLeft(void* context, MQTTAsync_successData5*) { Left(context); }
void OnLeft3(void* context, MQTTAsync_successData*) { Left(context); }
void OnNotLeft(void* context, MQTTAsync_failureData5*) { Left(context); }
void OnNotLeft3(void* context, MQTTAsync_failureData*) { Left(context); }

/// Whether the connection is going to end; `Left` follows then.
bool StartLeaving(slicelet_mqtt_client& client) {
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
  if (client.version5) {
    options = MQTTAsync_disconnectOptions_initializer5;
    options.onSuccess5 = OnLeft;
    options.onFailure5 = OnNotLeft;
  } else {
    options.onSuccess = OnLeft3;
    options.onFailure = OnNotLeft3;
  }
  options.timeout = kDisconnectMilliseconds;
  options.context = ContextOf(client.id);
  return MQTTAsync_disconnect(client.handle, &options) == MQTTASYNC_SUCCESS;
}

void Close(slicelet_mqtt_client* client) {
  Registry& registry = TheRegistry();
  const ClientPtr held = Find(ContextOf(client->id));
  if (!held) return;
  if (held->keeps_arrivals && StartLeaving(*held)) {
    std::unique_lock lock(held->mutex);
    held->leaving.wait_for(lock, kLeaving, [&held] { return held->left; });
  }
  {
    const std::lock_guard lock(held->mutex);
    held->closed = true;
  }
  {
    const std::lock_guard lock(registry.mutex);
    registry.clients.erase(held->id);
  }
  if (!held->keeps_arrivals) StartLeaving(*held);
  const std::lock_guard lock(registry.mutex);
  registry.closed.emplace_back(Clock::now(), held);
}

constexpr slicelet_mqtt_module kModule = {SLICELET_MQTT_MODULE_VERSION, Open, Publish, Subscribe, Close};

}  // namespace

extern "C" __attribute__((visibility("default"))) const slicelet_mqtt_module* slicelet_mqtt_module_v1(void) {
  return &kModule;
}
