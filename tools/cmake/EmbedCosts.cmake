# Writes OUTPUT, a source file that holds each of FILES (cost tables) as a string: see CostPresets in stack/kernel/cost.h.
set(entries "")
foreach(file IN LISTS FILES)
  cmake_path(GET file STEM name)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"cost(${text})cost\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"stack/kernel/cost.h\"

namespace tapedeck {

namespace {

constexpr CostPreset kPresets[] = {
${entries}};

}  // namespace

std::span<const CostPreset> CostPresets() { return kPresets; }

}  // namespace tapedeck
")
