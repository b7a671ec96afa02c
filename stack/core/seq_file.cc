#include "stack/core/seq_file.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "stack/base/byteorder.h"
#include "stack/base/check.h"

namespace tapedeck {

void seq_printf(std::string* text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  const int bytes = std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  CHECK_GE(bytes, 0);
  CHECK_LT(static_cast<size_t>(bytes), sizeof(line));
  text->append(line, static_cast<size_t>(bytes));
}

void seq_pad(std::string* text, size_t line_start, size_t width) {
  text->resize(std::max(text->size(), line_start + width), ' ');
  *text += '\n';
}

void seq_address(std::string* text, const IpAddress& address) {
  if (address.is_v4()) {
    seq_printf(text, "%08X", LoadLe32(address.v4().bytes().data()));
    return;
  }
  const uint8_t* const bytes = address.v6().bytes().data();
  for (int i = 0; i < 4; ++i) seq_printf(text, "%08X", LoadLe32(bytes + 4 * i));
}

}  // namespace tapedeck
