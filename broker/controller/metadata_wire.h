#pragma once
// What the files of the metadata share between bytes and records.

#include <map>
#include <string>
#include <vector>

#include "broker/controller/records.h"
#include "runtime/rpc/convert.h"
#include "wire/metadata_generated.h"

namespace ironbark::broker {

using SettingsVector = flatbuffers::Vector<flatbuffers::Offset<wire::Setting>>;

// The elements of a vector that may be absent, for a range-for.
template <typename Element>
class Elements {
  public:
    using Vector = flatbuffers::Vector<Element>;
    explicit Elements(const Vector* vector) : vector_(vector) {}
    auto begin() const { return vector_ == nullptr ? typename Vector::const_iterator() : vector_->begin(); }
    auto end() const { return vector_ == nullptr ? typename Vector::const_iterator() : vector_->end(); }
    size_t size() const { return vector_ == nullptr ? 0 : vector_->size(); }

  private:
    const Vector* vector_;
};

inline BrokerIds brokers_of(const flatbuffers::Vector<int32_t>* ids) {
    BrokerIds brokers;
    for (int32_t id : Elements(ids)) brokers.push_back(BrokerId(id));
    return brokers;
}

inline std::string text_of(const flatbuffers::String* text) {
    return std::string(rpc::from_wire(text));
}

inline void merge_settings(const SettingsVector* from, std::map<std::string, std::string>& into) {
    for (const wire::Setting* setting : Elements(from)) into[text_of(setting->key())] = text_of(setting->value());
}

inline flatbuffers::Offset<SettingsVector> settings_of(flatbuffers::FlatBufferBuilder& builder,
                                                       const std::map<std::string, std::string>& settings) {
    std::vector<flatbuffers::Offset<wire::Setting>> entries;
    for (const auto& [key, value] : settings) {
        auto key_text = builder.CreateString(key);
        auto value_text = builder.CreateString(value);
        entries.push_back(wire::CreateSetting(builder, key_text, value_text));
    }
    return builder.CreateVector(entries);
}

template <typename Body>
std::vector<uint8_t> finish(flatbuffers::FlatBufferBuilder& builder,
                            wire::CommandBody type,
                            flatbuffers::Offset<Body> body) {
    builder.Finish(wire::CreateMetadataCommand(builder, type, body.Union()));
    return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

}  // namespace ironbark::broker
