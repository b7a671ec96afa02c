#include "replay/script/expression.h"

namespace tapedeck {

const Expression* Expression::FindField(std::string_view name) const {
  for (const Expression& item : items) {
    if (item.kind == Kind::kField && item.text == name) return &item;
  }
  return nullptr;
}

const Expression* Expression::FindValue(std::string_view name) const {
  const Expression* const field = FindField(name);
  return field == nullptr ? nullptr : &field->items[0];
}

}  // namespace tapedeck
