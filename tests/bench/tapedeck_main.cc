// Everything of ours that is measured.
#include "tests/bench/cases.h"

int main(int argc, char** argv) {
  using namespace tapedeck::bench;
  Suite suite;
  AddCaptureCases(suite);
  AddComponentCases(suite);
  AddNicCases(suite);
  AddPathCases(suite);
  AddReplayCases(suite);
  AddTcpCases(suite);
  AddRouteCases(suite);
  AddScriptCases(suite);
  AddLabCases(suite);
  AddFuzzCases(suite);
  return suite.Main(argc, argv);
}
