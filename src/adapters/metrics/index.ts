/** The face of the metrics: what is counted, and the door where it and the health are read. */
export { createMeters, type PrometheusMeters } from './meters.ts';
export { openMetricsDoor, type MetricsDoorOptions, type Readiness } from './server.ts';
