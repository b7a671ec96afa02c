# Writes OUTPUT, a source file that holds STYLE and SCRIPT as strings: see replay/report/page.h. In pieces, since a string
# literal may hold only so much.
function(read_literal file result)
  file(READ ${file} text)
  string(LENGTH "${text}" length)
  set(literal "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND literal "\n    R\"page(${piece})page\"")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${result} "${literal}" PARENT_SCOPE)
endfunction()

read_literal(${STYLE} style)
read_literal(${SCRIPT} script)
file(WRITE ${OUTPUT} "#include \"replay/report/page.h\"

namespace tapedeck::report {

const char* PageStyle() { return ${style}; }
const char* PageScript() { return ${script}; }

}  // namespace tapedeck::report
")
