#include "values.h"

#include <ATen/Context.h>
#include <torch/version.h>

#include <cmath>
#include <map>
#include <sstream>

namespace padnet {

namespace {

std::string describe(napi_env env, napi_value value) {
  switch (typeOf(env, value)) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_string:
      return "the string '" + toString(env, value).substr(0, 60) + "'";
    case napi_number: {
      double number = 0;
      napi_get_value_double(env, value, &number);
      std::ostringstream text;
      text << "the number " << number;
      return text.str();
    }
    case napi_bigint:
      return "a bigint";
    case napi_function:
      return "a function";
    case napi_symbol:
      return "a symbol";
    default: {
      bool isArray = false;
      napi_is_array(env, value, &isArray);
      return isArray ? "an array" : "an object";
    }
  }
}

[[noreturn]] void fail(napi_env env, napi_value value, const std::string& expected) {
  throw TypeError("expected " + expected + ", got " + describe(env, value));
}

constexpr double kMaxSafeInteger = 9007199254740991.0;

}  // namespace

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type;
}

bool isNullish(napi_env env, napi_value value) {
  const napi_valuetype type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}

double toDouble(napi_env env, napi_value value, const char* expected) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok) return number;
  if (typeOf(env, value) == napi_bigint) return static_cast<double>(toInt64(env, value));
  fail(env, value, expected);
}

int64_t toInt64(napi_env env, napi_value value, const char* expected) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    if (std::abs(number) <= kMaxSafeInteger && number == std::trunc(number)) return static_cast<int64_t>(number);
    fail(env, value, expected);
  }
  int64_t integer = 0;
  bool lossless = false;
  if (napi_get_value_bigint_int64(env, value, &integer, &lossless) == napi_ok && lossless) return integer;
  fail(env, value, expected);
}

bool toBool(napi_env env, napi_value value) {
  bool flag = false;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) fail(env, value, "a boolean");
  return flag;
}

std::string toString(napi_env env, napi_value value, const char* expected) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) fail(env, value, expected);
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, &text[0], length + 1, &length);
  return text;
}

std::vector<napi_value> toList(napi_env env, napi_value value, const char* expected) {
  bool isArray = false;
  napi_is_array(env, value, &isArray);
  if (!isArray) fail(env, value, expected);
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  if (length > 1u << 24) fail(env, value, "an array of at most 16,777,216 elements");
  std::vector<napi_value> list(length);
  for (uint32_t i = 0; i < length; i++) {
    if (napi_get_element(env, value, i, &list[i]) != napi_ok) throw JsPending();
  }
  return list;
}

std::vector<int64_t> toInt64List(napi_env env, napi_value value) {
  std::vector<int64_t> integers;
  for (napi_value element : toList(env, value, "an array of whole numbers")) integers.push_back(toInt64(env, element));
  return integers;
}

at::Tensor& toTensor(Environment& environment, napi_value value) {
  double handle = -1;
  if (napi_get_value_double(environment.env, value, &handle) != napi_ok) fail(environment.env, value, "a tensor");
  return environment.tensor(handle);
}

at::Tensor takeTensor(Environment& environment, napi_value value) {
  at::Tensor tensor = toTensor(environment, value);
  environment.tensors.remove(toDouble(environment.env, value));
  return tensor;
}

std::vector<at::Tensor> toTensorList(Environment& environment, napi_value value) {
  std::vector<at::Tensor> tensors;
  for (napi_value element : toList(environment.env, value, "an array of tensors")) {
    tensors.push_back(toTensor(environment, element));
  }
  return tensors;
}

// A whole number becomes an integer scalar, so that adding 1 to an int64 tensor leaves it int64.
c10::Scalar toScalar(napi_env env, napi_value value) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    const bool whole = std::abs(number) <= kMaxSafeInteger && number == std::trunc(number);
    if (whole && !(number == 0 && std::signbit(number))) return c10::Scalar(static_cast<int64_t>(number));
    return c10::Scalar(number);
  }
  const napi_valuetype type = typeOf(env, value);
  if (type == napi_boolean) return c10::Scalar(toBool(env, value));
  if (type == napi_bigint) return c10::Scalar(toInt64(env, value));
  fail(env, value, "a number");
}

namespace {

struct NamedScalarType {
  const char* name;
  at::ScalarType type;
};
constexpr NamedScalarType kScalarTypes[] = {
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"int16", at::kShort},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"bool", at::kBool},
    {"complex64", at::kComplexFloat},
    {"complex128", at::kComplexDouble},
};

}  // namespace

at::ScalarType toScalarType(napi_env env, napi_value value) {
  const std::string name = toString(env, value, "a dtype such as 'float32'");
  for (const auto& entry : kScalarTypes) {
    if (name == entry.name) return entry.type;
  }
  std::string known;
  for (const auto& entry : kScalarTypes) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  throw TypeError("unknown dtype '" + name + "'; known are " + known);
}

const char* scalarTypeName(at::ScalarType type) {
  for (const auto& entry : kScalarTypes) {
    if (type == entry.type) return entry.name;
  }
  return c10::toString(type);
}

at::MemoryFormat toMemoryFormat(napi_env env, napi_value value) {
  const std::string name = toString(env, value, "a memory format such as 'contiguous'");
  if (name == "contiguous") return at::MemoryFormat::Contiguous;
  if (name == "preserve") return at::MemoryFormat::Preserve;
  if (name == "channels_last") return at::MemoryFormat::ChannelsLast;
  if (name == "channels_last_3d") return at::MemoryFormat::ChannelsLast3d;
  throw TypeError("unknown memory format '" + name +
                  "'; known are contiguous, preserve, channels_last, channels_last_3d");
}

at::Layout toLayout(napi_env env, napi_value value) {
  const std::string name = toString(env, value, "a layout such as 'strided'");
  if (name == "strided") return at::kStrided;
  if (name == "sparse_coo") return at::kSparse;
  if (name == "sparse_csr") return at::kSparseCsr;
  throw TypeError("unknown layout '" + name + "'; known are strided, sparse_coo, sparse_csr");
}

// Others (such as meta) make tensors without memory.
c10::Device toDevice(napi_env env, napi_value value) {
  const std::string name = toString(env, value, "a device such as 'cpu'");
  if (name == "cpu") return c10::Device(c10::kCPU);
  const bool current = name == "cuda";
  const bool numbered = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 9 &&
                        name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (!current && !numbered) {
    throw TypeError("unknown device '" + name + "'; known are cpu, cuda, cuda:0, cuda:1 and so on");
  }
  const size_t count = at::getNumGPUs();
  if (count == 0) {
    throw std::runtime_error("there is no device '" + name + "': " +
                             (at::globalContext().hasCUDART() ? "CUDA finds no GPU on this machine"
                                                              : "libtorch " TORCH_VERSION " was built without CUDA") +
                             "; use 'cpu', or another libtorch (see docs/engine.md)");
  }
  if (current) return c10::Device(c10::kCUDA);
  const unsigned long index = std::stoul(name.substr(5));
  if (index >= count) {
    throw std::runtime_error("there is no device '" + name + "': the last one is cuda:" + std::to_string(count - 1));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

napi_value fromDouble(napi_env env, double value) {
  napi_value result = nullptr;
  napi_create_double(env, value, &result);
  return result;
}

napi_value fromInt64(napi_env env, int64_t value) {
  napi_value result = nullptr;
  if (std::abs(static_cast<double>(value)) <= kMaxSafeInteger) {
    napi_create_int64(env, value, &result);
  } else {
    napi_create_bigint_int64(env, value, &result);
  }
  return result;
}

napi_value fromBool(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value fromString(napi_env env, const std::string& value) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value fromInt64List(napi_env env, at::IntArrayRef values) {
  napi_value list = nullptr;
  napi_create_array_with_length(env, values.size(), &list);
  for (size_t i = 0; i < values.size(); i++) napi_set_element(env, list, i, fromInt64(env, values[i]));
  return list;
}

napi_value null(napi_env env) {
  napi_value result = nullptr;
  napi_get_null(env, &result);
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result = nullptr;
  napi_get_undefined(env, &result);
  return result;
}

napi_value fromTensor(Environment& environment, at::Tensor tensor) {
  if (!tensor.defined()) return null(environment.env);
  return fromDouble(environment.env, environment.add(std::move(tensor)));
}

napi_value fromTensorList(Environment& environment, const std::vector<at::Tensor>& tensors) {
  napi_value list = nullptr;
  napi_create_array_with_length(environment.env, tensors.size(), &list);
  for (size_t i = 0; i < tensors.size(); i++) {
    napi_set_element(environment.env, list, i, fromTensor(environment, tensors[i]));
  }
  return list;
}

napi_value fromIValue(Environment& environment, const c10::IValue& value) {
  napi_env env = environment.env;
  if (value.isTensor()) return fromTensor(environment, value.toTensor());
  if (value.isNone()) return null(env);
  if (value.isInt()) return fromInt64(env, value.toInt());
  if (value.isDouble()) return fromDouble(env, value.toDouble());
  if (value.isBool()) return fromBool(env, value.toBool());
  if (value.isString()) return fromString(env, value.toStringRef());
  if (value.isDevice()) return fromString(env, value.toDevice().str());
  if (value.isScalar()) {
    const c10::Scalar scalar = value.toScalar();
    if (scalar.isComplex()) throw std::runtime_error("a complex number was returned, which JavaScript does not have");
    return scalar.isIntegral(false) ? fromInt64(env, scalar.toLong()) : fromDouble(env, scalar.toDouble());
  }
  if (value.isList() || value.isTuple()) {
    const auto elements = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
    napi_value list = nullptr;
    napi_create_array_with_length(env, elements.size(), &list);
    for (size_t i = 0; i < elements.size(); i++) {
      napi_set_element(env, list, i, fromIValue(environment, elements[i]));
    }
    return list;
  }
  throw std::runtime_error("a value of type " + value.tagKind() +
                           " was returned, which cannot be passed to JavaScript");
}

}  // namespace padnet
