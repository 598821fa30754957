/** Tensors that belong to a module. They live until the module is garbage-collected, whatever scope made them. */
import { native, type Handle } from '../native.js';
import { Tensor } from '../tensor.js';

function share(source: Tensor): Handle {
  const detached = source.detach();
  const handle = native.duplicate(detached.handle);
  detached[Symbol.dispose]();
  return handle;
}

/** A tensor that is trained: it has a gradient and is part of the state dict. Shares the memory of `source`. */
export class Parameter extends Tensor {
  constructor(source: Tensor) {
    super(share(source));
    this.keep();
    this.requiresGrad = true;
  }
}

/** A tensor that is saved with a module but not trained, such as a running mean. Shares the memory of `source`. */
export class Buffer extends Tensor {
  constructor(source: Tensor) {
    super(share(source));
    this.keep();
  }
}
