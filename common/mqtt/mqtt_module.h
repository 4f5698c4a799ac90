/* The MQTT client library behind a narrow C interface, so that it can be a module that is loaded at run time:
 * a program that does not use MQTT carries nothing of it, and one that is linked statically shares no C++
 * type, allocator or library version with it. */
#ifndef SLICELET_COMMON_MQTT_MQTT_MODULE_H_
#define SLICELET_COMMON_MQTT_MQTT_MODULE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rises with every change of this file. */
#define SLICELET_MQTT_MODULE_VERSION 4

typedef struct slicelet_mqtt_options {
  const char* uri; /* "ssl://host:port" or "tcp://host:port" */
  const char* client_id;
  /* 3: MQTT 3.1.1, where delays and expiries have no effect; 5. */
  int protocol;
  /* NULL: none. */
  const char* username;
  const char* password;
  /* PEM, for ssl. An empty ca: the system's authorities; an empty certificate: none. */
  const char* ca;
  const char* certificate;
  const char* key;
  uint32_t keepalive_seconds;
  /* 0: the broker forgets this client when it leaves. */
  uint32_t session_expiry_seconds;
  uint32_t connect_timeout_seconds;
  /* Not 0: messages that arrive while the client leaves are handed over too, for the broker is told that they
   * arrived. `close` waits until the connection has ended, and not for long. */
  int keeps_arrivals;
  /* NULL: no will. */
  const char* will_topic;
  const char* will_payload;
  size_t will_size;
  int will_retained;
  uint32_t will_delay_seconds;
} slicelet_mqtt_options;

/* Called on threads of the library's, one at a time for one client; they must not block and must not call the
 * module. */
typedef struct slicelet_mqtt_callbacks {
  /* `max_packet`: the largest packet that the broker takes, in bytes; 0: it has not said. */
  void (*connected)(void* user, uint32_t max_packet);
  /* The connection could not be made, or is gone. */
  void (*closed)(void* user, const char* why);
  /* The broker is told that the message arrived once this has returned. */
  void (*message)(void* user, const char* topic, size_t topic_size, const char* payload, size_t size,
                  int retained);
  /* The broker took, or (taken 0) will never take, the message published under `id`. */
  void (*published)(void* user, uint64_t id, int taken);
} slicelet_mqtt_callbacks;

typedef struct slicelet_mqtt_client slicelet_mqtt_client;

typedef struct slicelet_mqtt_module {
  uint32_t version;
  /* Starts connecting. NULL with a reason in `error` when that is not possible. */
  slicelet_mqtt_client* (*open)(const slicelet_mqtt_options* options,
                                const slicelet_mqtt_callbacks* callbacks, void* user, char* error,
                                size_t error_size);
  /* 0 when it is on its way; `published` follows with this `id`. Else a code, and nothing follows. */
  int (*publish)(slicelet_mqtt_client* client, uint64_t id, const char* topic, const char* payload,
                 size_t size, int qos, int retained, uint32_t expiry_seconds);
  int (*subscribe)(slicelet_mqtt_client* client, const char* filter);
  /* Leaves the broker and frees the client. No callback runs once it has returned. */
  void (*close)(slicelet_mqtt_client* client);
} slicelet_mqtt_module;

/* The module's one exported symbol. */
const slicelet_mqtt_module* slicelet_mqtt_module_v1(void);

#ifdef __cplusplus
}
#endif

#endif /* SLICELET_COMMON_MQTT_MQTT_MODULE_H_ */
