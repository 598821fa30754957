/** A PyTorch weight file that is damaged, holds more than tensors, or is of a form that is not read. */
export class TorchArchiveError extends Error {
  override readonly name = 'TorchArchiveError';
}
