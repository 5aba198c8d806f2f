// Generated from the OpenAPI document of the routes by "npm run client:types". Do not edit.

export interface Operations {
  /** Record a heartbeat */
  'POST /heartbeat': {
    body: {
      heartbeat_name: string;
      status: "UP" | "DEGRADED" | "STARTED" | "COMPLETED" | "DOWN" | "FAILED";
      service_name?: string;
      run_id?: string;
      message?: string;
    };
    results: "";
  };
  /** Query events, newest first */
  'GET /heartbeat': {
    query: {
      heartbeat_name?: string;
      service_name?: string;
      maxCount?: string;
    };
    results: Array<{
      heartbeat_id: number;
      heartbeat_name: string;
      service_name: string;
      time: string;
      status: string;
      team: string;
      priority: string;
      run_id: string | null;
    }>;
  };
  /** Register a service */
  'POST /service': {
    body: {
      heartbeat_name: string;
      service_name: string;
      /** Minutes */
      alert_interval: number;
      environment?: string;
      threshold?: number;
      grace_period_seconds?: number;
      max_duration_ms?: number | null;
      team?: string;
      team_id?: number | null;
      schedule_id?: number | null;
      priority?: "p1" | "p2" | "p3" | "p4" | "p5";
      runbook?: string | null;
    };
    results: {
      service_id: number;
      heartbeat_name: string;
      service_name: string;
      active: number;
      alert_interval: number;
      threshold: number;
      team: string;
      priority: string;
      muted: number;
      down: number;
      runbook: string | null;
      date_added: string;
      date_modified: string;
      date_muted: string | null;
      team_id: number | null;
      schedule_id: number | null;
      max_duration_ms: number | null;
      grace_period_seconds: number;
      last_heartbeat: string | null;
    };
  };
  /** Signal of a job: start */
  'POST /v2/heartbeat/{service_id}/start': {
    results: {
      service_id: number;
      heartbeat_name: string;
      status: "STARTED" | "COMPLETED" | "FAILED";
      run_id: string | null;
      duration_ms?: number;
      duration_alert?: {
        alert_type: "exceeded";
        max_duration_ms: number;
        exceeded_by_ms: number;
      };
    };
  };
  /** Signal of a job: complete */
  'POST /v2/heartbeat/{service_id}/complete': {
    results: {
      service_id: number;
      heartbeat_name: string;
      status: "STARTED" | "COMPLETED" | "FAILED";
      run_id: string | null;
      duration_ms?: number;
      duration_alert?: {
        alert_type: "exceeded";
        max_duration_ms: number;
        exceeded_by_ms: number;
      };
    };
  };
  /** Signal of a job: fail */
  'POST /v2/heartbeat/{service_id}/fail': {
    results: {
      service_id: number;
      heartbeat_name: string;
      status: "STARTED" | "COMPLETED" | "FAILED";
      run_id: string | null;
      duration_ms?: number;
      duration_alert?: {
        alert_type: "exceeded";
        max_duration_ms: number;
        exceeded_by_ms: number;
      };
    };
  };
}
