/** The oracle's kernel attention. */
import { noGrad } from '@padnet/torch';
import { KernelAttention } from 'padnet';
import { toTensor, type Numbers, type OracleDType } from './fixtures.js';

/** fc1 [hidden, channels], fc2_w [K, hidden], fc2_b [K] */
export type OracleRouter = Readonly<Record<'fc1' | 'fc2_w' | 'fc2_b', Numbers>>;

export function buildRouter(oracle: OracleRouter, temperature: number, dtype: OracleDType): KernelAttention {
  const [hiddenChannels = 0, inChannels = 0] = oracle.fc1.shape;
  const router = new KernelAttention({ inChannels, numKernels: oracle.fc2_w.shape[0]!, hiddenChannels, temperature });
  router.to(dtype);
  noGrad(() => {
    router.fc1.weight.copy_(toTensor(oracle.fc1, dtype));
    router.fc2.weight.copy_(toTensor(oracle.fc2_w, dtype));
    router.fc2.bias?.copy_(toTensor(oracle.fc2_b, dtype));
  });
  return router;
}
