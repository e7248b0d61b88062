//! Objects in today's form (MODEL-API-3).

use super::context::Context;
use super::{Profile, object};
use crate::common::Value;
use crate::kind::{Kind, stored_api_version};
use crate::object::{Body, LoadState, Object};

impl Object {
    /// The same object in today's form: in the stored version of its kind, with every older spelling of section 4 of
    /// the model reference replaced by what it stands for. What could not be read stays in
    /// [`unread`](Object::unread). An object that is in this form already is returned as it is; kinds that are not
    /// Istio's always are.
    ///
    /// Cost: the object is serialized and read once.
    ///
    /// ```
    /// use mesh_model::{Options, Source, load};
    /// let text = "
    /// apiVersion: networking.istio.io/v1alpha3
    /// kind: DestinationRule
    /// metadata: {name: reviews, namespace: shop}
    /// spec:
    ///   host: reviews
    ///   trafficPolicy: {loadBalancer: {simple: LEAST_CONN}}
    /// ";
    /// let loaded = load([Source::new("x.yaml", text)], &Options::default());
    /// let modern = loaded.objects[0].canonicalize();
    /// assert_eq!(modern.to_yaml(), "apiVersion: networking.istio.io/v1
    /// kind: DestinationRule
    /// metadata:
    ///   name: reviews
    ///   namespace: shop
    /// spec:
    ///   host: reviews
    ///   trafficPolicy:
    ///     loadBalancer:
    ///       simple: LEAST_REQUEST
    /// ");
    /// assert_eq!(modern.canonicalize(), modern);
    /// ```
    #[must_use]
    pub fn canonicalize(&self) -> Self {
        if !self.kind.is_istio() {
            return self.clone();
        }
        let mut modern = Self { api_version: stored_api_version(&self.kind), ..self.clone() };
        if let Body::EnvoyFilter(filter) = &self.body {
            modern.body = filter.modern().into();
            return modern;
        }
        let Some(mut root) = self.read_value() else { return modern };
        for key in ["apiVersion", "kind", "metadata", "status"] {
            root.remove(key);
        }
        if let Some(spec) = root.get_mut("spec") {
            names(spec, &self.kind);
        }
        let context = Context::new(Profile::Compat, self.kind.is_security(), true);
        self.metadata.namespace.clone_into(&mut context.namespace.borrow_mut());
        let body = object::body(root, &self.kind, &context);
        // A body that is not read whole would lose what was said; there is none, short of a mistake in its type.
        if context.finish().1 <= LoadState::Recovered {
            modern.body = body;
        }
        modern
    }
}

/// Older forms that Istio still reads, and which loading therefore leaves as they are.
fn names(spec: &mut Value, kind: &Kind) {
    if *kind == Kind::VirtualService {
        gateways(spec);
        for protocol in ["http", "tls", "tcp"] {
            let Some(Value::List(routes)) = spec.get_mut(protocol) else { continue };
            for route in routes {
                let Some(Value::List(conditions)) = route.get_mut("match") else { continue };
                conditions.iter_mut().for_each(gateways);
            }
        }
    }
    // MODEL-LEG-32
    if spec.get("targetRefs").is_none()
        && let Some(target) = spec.remove("targetRef")
    {
        spec.set("targetRefs", Value::List(vec![target]));
    }
}

/// `public.istio-system.svc.cluster.local` is `istio-system/public` (MODEL-LEG-21).
fn gateways(holder: &mut Value) {
    let Some(Value::List(names)) = holder.get_mut("gateways") else { return };
    for name in names {
        let Value::String(text) = name else { continue };
        if !text.contains('/')
            && let Some((gateway, rest)) = text.split_once('.')
        {
            let namespace = rest.split('.').next().unwrap_or(rest);
            *text = format!("{namespace}/{gateway}");
        }
    }
}
