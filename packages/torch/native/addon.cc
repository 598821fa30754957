// Everything that crosses between TypeScript and C++; the typed declaration is src/native.ts.
#include "autocast.h"
#include "autograd.h"
#include "dispatcher.h"
#include "library.h"
#include "memory.h"
#include "protect.h"
#include "random.h"
#include "tensor.h"

namespace padnet {

namespace {

struct Export {
  const char* name;
  napi_callback callback;
};

constexpr Export kExports[] = {
    {"schemas", exported<0, schemas>},
    {"bind", exported<2, bind>},
    {"call", exported<2, call>},
    {"loadLibrary", exported<1, loadLibrary>},
    {"describe", exported<1, describe>},
    {"shape", exported<1, shape>},
    {"version", exported<1, version>},
    {"checkDevice", exported<1, checkDevice>},
    {"item", exported<1, item>},
    {"fromBytes", exported<3, fromBytes>},
    {"bytes", exported<1, bytes>},
    {"isFinite", exported<1, isFinite>},
    {"isShared", exported<1, isShared>},
    {"release", exported<1, release>},
    {"duplicate", exported<1, duplicate>},
    {"externalBytes", exported<1, externalBytes>},
    {"adjustExternalMemory", exported<1, adjustExternalMemory>},
    {"liveTensors", exported<0, liveTensors>},
    {"backward", exported<4, backward>},
    {"grad", exported<6, grad>},
    {"setGradEnabled", exported<1, setGradEnabled>},
    {"setAutocast", exported<1, setAutocast>},
    {"isGradEnabled", exported<0, isGradEnabled>},
    {"gradInfo", exported<1, gradInfo>},
    {"setRequiresGrad", exported<2, setRequiresGrad>},
    {"getGrad", exported<1, getGrad>},
    {"setGrad", exported<2, setGrad>},
    {"registerHook", exported<2, registerHook>},
    {"removeHook", exported<2, removeHook>},
    {"customFunction", exported<5, customFunction>},
    {"createGenerator", exported<1, createGenerator>},
    {"releaseGenerator", exported<1, releaseGenerator>},
    {"seedGenerator", exported<2, seedGenerator>},
    {"getGeneratorState", exported<1, getGeneratorState>},
    {"setGeneratorState", exported<2, setGeneratorState>},
    {"setMemoryLimit", exported<1, setMemoryLimit>},
    {"memoryUsage", exported<1, memoryUsage>},
    {"getNumThreads", exported<0, getNumThreads>},
    {"setNumThreads", exported<1, setNumThreads>},
    {"buildInfo", exported<0, buildInfo>},
};

}  // namespace

}  // namespace padnet

NAPI_MODULE_INIT() {
  using padnet::Environment;
  padnet::guardAllocations();
  napi_set_instance_data(
      env, new Environment(env), [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  for (const auto& entry : padnet::kExports) {
    napi_value function = nullptr;
    if (napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.callback, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, entry.name, function) != napi_ok) {
      return nullptr;
    }
  }
  return exports;
}
