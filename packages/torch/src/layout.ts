/** How a tensor's elements lie in memory. */
export type MemoryFormat = 'contiguous' | 'preserve' | 'channels_last' | 'channels_last_3d';
export type Layout = 'strided' | 'sparse_coo' | 'sparse_csr';
