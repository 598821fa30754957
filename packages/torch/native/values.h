// JavaScript values to and from C++ ones. Tensors and generators cross as handles (numbers).
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

#include "environment.h"

namespace padnet {

napi_valuetype typeOf(napi_env env, napi_value value);
bool isNullish(napi_env env, napi_value value);

double toDouble(napi_env env, napi_value value, const char* expected = "a number");
int64_t toInt64(napi_env env, napi_value value, const char* expected = "a whole number");
bool toBool(napi_env env, napi_value value);
std::string toString(napi_env env, napi_value value, const char* expected = "a string");
std::vector<napi_value> toList(napi_env env, napi_value value, const char* expected = "an array");
std::vector<int64_t> toInt64List(napi_env env, napi_value value);
at::Tensor& toTensor(Environment& environment, napi_value value);
/// The tensor behind a handle that JavaScript gives away: the handle is released.
at::Tensor takeTensor(Environment& environment, napi_value value);
std::vector<at::Tensor> toTensorList(Environment& environment, napi_value value);
c10::Scalar toScalar(napi_env env, napi_value value);

/// dtype names are PyTorch's: 'float32', 'int64', 'bool', …
at::ScalarType toScalarType(napi_env env, napi_value value);
const char* scalarTypeName(at::ScalarType type);
at::MemoryFormat toMemoryFormat(napi_env env, napi_value value);
at::Layout toLayout(napi_env env, napi_value value);
c10::Device toDevice(napi_env env, napi_value value);

napi_value fromDouble(napi_env env, double value);
napi_value fromInt64(napi_env env, int64_t value);
napi_value fromBool(napi_env env, bool value);
napi_value fromString(napi_env env, const std::string& value);
napi_value fromInt64List(napi_env env, at::IntArrayRef values);
napi_value null(napi_env env);
napi_value undefined(napi_env env);
/// A new handle; null for an undefined tensor.
napi_value fromTensor(Environment& environment, at::Tensor tensor);
napi_value fromTensorList(Environment& environment, const std::vector<at::Tensor>& tensors);
napi_value fromIValue(Environment& environment, const c10::IValue& value);

}  // namespace padnet
