// How the tables of fields.h are written: in a function where `Object` is the structure.
#ifndef TAPEDECK_REPLAY_DEBUG_FIELD_TABLE_H_
#define TAPEDECK_REPLAY_DEBUG_FIELD_TABLE_H_

// A field of this name; `value` is computed from `object`.
#define TAPEDECK_FIELD_AS(name, value)                                       \
  Field {                                                                    \
    name, [](const void* of) -> FieldValue {                                 \
      [[maybe_unused]] const auto& object = *static_cast<const Object*>(of); \
      return value;                                                          \
    }                                                                        \
  }
// A member, by its own name.
#define TAPEDECK_FIELD(member) TAPEDECK_FIELD_AS(#member, ValueOf(object.member))

#endif  // TAPEDECK_REPLAY_DEBUG_FIELD_TABLE_H_
