// grpc.health.v1: whether a store answers at all.

import { enumeration, message, method, string } from './message.ts'

export const ServingStatus = { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const
export const HealthCheckRequest = message('grpc.health.v1.HealthCheckRequest', { service: string(1) })
export const HealthCheckResponse = message('grpc.health.v1.HealthCheckResponse', { status: enumeration(1, ServingStatus) })
export const HealthCheck = method('/grpc.health.v1.Health/Check', HealthCheckRequest, HealthCheckResponse)
