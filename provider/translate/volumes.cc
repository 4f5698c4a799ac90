#include <algorithm>
#include <array>

#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

constexpr std::int32_t kDefaultMode = 0644;
constexpr std::int32_t kMaxMode = 0777;
/// The service account admission controller names its volume so (kubernetes:
/// plugin/pkg/admission/serviceaccount).
constexpr char kAutomaticTokenVolume[] = "kube-api-access-";

std::string InnerPath(FieldReader& reader, const std::string& key) {
  const std::string path = reader.RequiredString(key);
  if (!path.empty() && !IsInnerPath(path)) {
    reader.Refuse(key, "is \"" + path + "\", should be a relative path without \"..\"");
  }
  return path;
}

template <typename Message>
void ReadMode(FieldReader& reader, Message& out) {
  if (const auto mode = reader.OptionalInt("mode", 0, kMaxMode))
    out.set_mode(static_cast<std::int32_t>(*mode));
}

/// configMap and secret, as a volume or as a source of a projected one.
void TranslateContent(FieldReader& source, const std::string& kind, const std::string& name_key,
                      PodParts& parts, v1::Projection::Content& out) {
  const std::string name = source.RequiredString(name_key);
  if (!name.empty() && !IsDnsSubdomain(name)) source.Refuse(name_key, "\"" + name + "\" is no object name");
  out.set_content_id(kind + "/" + name);
  parts.contents.insert(out.content_id());
  out.set_optional(source.Bool("optional"));
  source.Each("items", [&](FieldReader& item) {
    auto& file = *out.add_items();
    file.set_key(item.RequiredString("key"));
    file.set_path(InnerPath(item, "path"));
    ReadMode(item, file);
  });
}

bool IsDownwardField(const std::string& field) {
  static const std::array<std::string, 5> kWhole = {"metadata.name", "metadata.namespace", "metadata.uid",
                                                    "metadata.labels", "metadata.annotations"};
  if (std::ranges::find(kWhole, field) != kWhole.end()) return true;
  return field.ends_with("']") &&
         (field.starts_with("metadata.labels['") || field.starts_with("metadata.annotations['"));
}

void TranslateDownward(FieldReader& source, v1::Projection& out) {
  source.Each("items", [&](FieldReader& item) {
    auto& file = *out.add_sources()->mutable_downward();
    file.set_path(InnerPath(item, "path"));
    ReadMode(item, file);
    if (item.Has("fieldRef")) {
      FieldReader ref = item.Object("fieldRef");
      ref.Accept("apiVersion");
      file.set_field(ref.RequiredString("fieldPath"));
      if (!file.field().empty() && !IsDownwardField(file.field())) {
        ref.Refuse("fieldPath", "\"" + file.field() + "\" is not available in a volume");
      }
    } else if (item.Has("resourceFieldRef")) {
      FieldReader ref = item.Object("resourceFieldRef");
      TranslateResourceField(ref, "", *file.mutable_resource());
      if (file.resource().container().empty()) ref.Refuse("containerName", "is required");
    } else {
      item.diagnosis().Refuse(item.path(), kInvalidPod, "needs fieldRef or resourceFieldRef");
    }
  });
}

void TranslateProjected(FieldReader& projected, const std::string& volume, PodParts& parts,
                        v1::Projection& out) {
  const bool automatic = volume.starts_with(kAutomaticTokenVolume);
  projected.Each("sources", [&](FieldReader& source) {
    if (source.Has("configMap")) {
      FieldReader content = source.Object("configMap");
      TranslateContent(content, "configmap", "name", parts, *out.add_sources()->mutable_content());
    }
    if (source.Has("secret")) {
      FieldReader content = source.Object("secret");
      TranslateContent(content, "secret", "name", parts, *out.add_sources()->mutable_content());
    }
    if (source.Has("downwardAPI")) {
      FieldReader downward = source.Object("downwardAPI");
      TranslateDownward(downward, out);
    }
    if (source.Has("serviceAccountToken")) {
      FieldReader token = source.Object("serviceAccountToken");
      // The shim asks for the token, with this audience and lifetime.
      token.Accept("audience");
      token.Accept("expirationSeconds");
      const std::string path = InnerPath(token, "path");
      if (!automatic || parts.api_access) {
        auto& file = *out.add_sources()->mutable_token();
        file.set_path(path);
        file.set_credential(volume + "/" + path);
        parts.credentials.insert(file.credential());
      }
    }
    source.RefuseUnread("use a ConfigMap or a Secret");
  });
  out.set_default_mode(static_cast<std::int32_t>(projected.Int("defaultMode", kDefaultMode, 0, kMaxMode)));
}

void TranslateEmptyDir(FieldReader& from, v1::EmptyDir& out) {
  const std::string medium = from.String("medium");
  if (medium == "Memory") {
    out.set_memory(true);
  } else if (!medium.empty()) {
    from.Refuse("medium", "\"" + medium + "\" is not supported on edge hosts; use Memory or leave it out",
                kUnsupported);
  }
  if (from.Has("sizeLimit")) out.set_size_limit_bytes(ReadQuantity(from, "sizeLimit", false));
}

void TranslateHostPath(FieldReader& from, v1::HostPath& out) {
  static const std::array<std::string, 8> kTypes = {
      "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"};
  out.set_path(from.RequiredString("path"));
  if (!out.path().empty() && (out.path().front() != '/' || !IsInnerPath("." + out.path()))) {
    from.Refuse("path", "is \"" + out.path() + "\", should be an absolute path without \"..\"");
  }
  out.set_type(from.String("type"));
  if (std::ranges::find(kTypes, out.type()) == kTypes.end()) {
    from.Refuse("type", "is \"" + out.type() + "\", which is no hostPath type");
  }
}

/// Sources that need a cluster's storage, or that are newer than this version, with what to do instead.
void RefuseOthers(FieldReader& volume) {
  static const std::map<std::string, std::string> kRemedies = {
      {"ephemeral", "use emptyDir"},
      {"image", "copy the files in an init container"},
      {"nfs", "mount it on the host and use hostPath"},
      {"gitRepo", "clone it in an init container into an emptyDir"},
      {"persistentVolumeClaim",
       "use a hostPath volume that the host's policy allows, or emptyDir for data that may be lost"},
  };
  for (const auto& [key, remedy] : kRemedies) {
    if (volume.Has(key)) volume.Refuse(key, "not supported on edge hosts; " + remedy, kUnsupported);
    volume.Accept(key);
  }
  volume.RefuseUnread("use a hostPath volume that the host's policy allows");
}

}  // namespace

void TranslateVolume(FieldReader& volume, PodParts& parts) {
  auto& out = *parts.workload.add_volumes();
  out.set_name(volume.RequiredString("name"));
  if (!out.name().empty() && !IsDnsLabel(out.name()))
    volume.Refuse("name", "\"" + out.name() + "\" is no DNS label");
  if (std::ranges::count(parts.workload.volumes(), out.name(), &v1::Volume::name) > 1) {
    volume.Refuse("name", "\"" + out.name() + "\" is used twice");
  }
  if (volume.Has("configMap")) {
    FieldReader source = volume.Object("configMap");
    auto& projection = *out.mutable_projection();
    TranslateContent(source, "configmap", "name", parts, *projection.add_sources()->mutable_content());
    projection.set_default_mode(
        static_cast<std::int32_t>(source.Int("defaultMode", kDefaultMode, 0, kMaxMode)));
  } else if (volume.Has("secret")) {
    FieldReader source = volume.Object("secret");
    auto& projection = *out.mutable_projection();
    TranslateContent(source, "secret", "secretName", parts, *projection.add_sources()->mutable_content());
    projection.set_default_mode(
        static_cast<std::int32_t>(source.Int("defaultMode", kDefaultMode, 0, kMaxMode)));
  } else if (volume.Has("downwardAPI")) {
    FieldReader source = volume.Object("downwardAPI");
    TranslateDownward(source, *out.mutable_projection());
    out.mutable_projection()->set_default_mode(
        static_cast<std::int32_t>(source.Int("defaultMode", kDefaultMode, 0, kMaxMode)));
  } else if (volume.Has("projected")) {
    FieldReader source = volume.Object("projected");
    TranslateProjected(source, out.name(), parts, *out.mutable_projection());
  } else if (volume.Has("hostPath")) {
    FieldReader source = volume.Object("hostPath");
    TranslateHostPath(source, *out.mutable_host_path());
  } else {
    {
      // As the API server does it: a volume without a source is an emptyDir.
      FieldReader source = volume.Object("emptyDir");
      TranslateEmptyDir(source, *out.mutable_empty_dir());
    }
    RefuseOthers(volume);
  }
}

}  // namespace slicelet::provider
