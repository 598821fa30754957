#include "random.h"

#include <ATen/CPUGeneratorImpl.h>

#include "values.h"

namespace padnet {

namespace {

at::Generator& toGenerator(Environment& environment, napi_value value) {
  at::Generator* generator = environment.generators.find(toDouble(environment.env, value, "a generator"));
  if (generator == nullptr) throw std::runtime_error("this generator was disposed");
  return *generator;
}

}  // namespace

napi_value createGenerator(Environment& environment, const napi_value* arguments) {
  const bool isDefault = isNullish(environment.env, arguments[0]);
  at::Generator generator = isDefault ? at::detail::getDefaultCPUGenerator()
                                      : at::detail::createCPUGenerator(static_cast<uint64_t>(
                                            toInt64(environment.env, arguments[0], "a seed, a whole number")));
  return fromDouble(environment.env, environment.generators.add(std::move(generator)));
}

napi_value releaseGenerator(Environment& environment, const napi_value* arguments) {
  environment.generators.remove(toDouble(environment.env, arguments[0], "a generator"));
  return undefined(environment.env);
}

napi_value seedGenerator(Environment& environment, const napi_value* arguments) {
  at::Generator& generator = toGenerator(environment, arguments[0]);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(static_cast<uint64_t>(toInt64(environment.env, arguments[1], "a seed, a whole number")));
  return undefined(environment.env);
}

napi_value getGeneratorState(Environment& environment, const napi_value* arguments) {
  at::Generator& generator = toGenerator(environment, arguments[0]);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return fromTensor(environment, generator.get_state());
}

napi_value setGeneratorState(Environment& environment, const napi_value* arguments) {
  at::Generator& generator = toGenerator(environment, arguments[0]);
  const at::Tensor& state = toTensor(environment, arguments[1]);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
  return undefined(environment.env);
}

}  // namespace padnet
